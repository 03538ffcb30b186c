"""The results as a table with the marks, and as a chart."""

COLOURS = {"image-pipeline": "#2f6fde", "image-pipeline, binary": "#5aa9e6", "Python": "#e0a030", "client's ceiling": "#9aa5b1", "disk's ceiling": "#c5ccd3"}


METHOD = """- Each measurement is the whole life of one process, with its start and its end, from nothing: a new topic of 4 partitions, a new
  ledger, an output on a new ext4. Of a consumer's time, only the time that the group needs to let it in is left out.
- The contenders take turns (A B C, B C A, ...), on the same files and the same broker. The first round is not counted.
- The images cannot be compressed. Their files are older than a minute, so nobody waits for them to be finished.
- Broker, programs and disk share the cores. The broker keeps its data in memory and writes nothing to the disk.
- "client's ceiling": a C program on librdkafka that sends messages of this size from memory, as durably (acks=all, idempotent), or receives
  them into memory. "disk's ceiling": a C program that copies the files with the same syncs, in groups of 12 MB.
- The Python programs wait for no disk, and the consumer there loses and doubles images when it is killed.
- CPU is user and system time of the process. Memory is its largest resident set, with the libraries that it shares."""


def described(machine):
    return f"{machine['processor']}, {machine['cores']} cores, {machine['memory'] >> 30} GiB, Linux {machine['kernel']}"


def size(bytes_of_one):
    return f"{bytes_of_one // 1000} KB" if bytes_of_one < 1_000_000 else f"{bytes_of_one // 1_000_000} MB"


def spread(values, form="{:.0f}"):
    return f"{form.format(values['median'])} ({form.format(values['low'])} to {form.format(values['high'])})"


def table(report):
    machine = report["machine"]
    lines = [
        f"Revision {machine['revision']}, {machine['time']}, on {described(machine)}, load {machine['load']:.1f} before the start. "
        f"{report['rounds']} rounds, medians (lowest to highest). Outputs on {report['disk']}. Python {machine['python']} with librdkafka "
        f"{machine['client']}.", "", METHOD, ""]
    for side in ("producer", "consumer"):
        rows = [(result, name, values) for result in report["results"].values() for name, values in result.get(side, {}).items()]
        if not rows:
            continue
        lines += [f"### {side.capitalize()}", "",
                  "| images | | images/s | MB/s | CPU s/GB, user + system | peak memory |", "|---|---|---|---|---|---|"]
        for result, name, values in rows:
            lines.append(
                f"| {result['count']} of {size(result['bytes'])} | {name} | {spread(values['images_per_second'])} | {spread(values['megabytes_per_second'])} "
                f"| {values['user_per_gigabyte']['median']:.2f} + {values['system_per_gigabyte']['median']:.2f} | {values['memory']['median'] / 1e6:.0f} MB |")
        lines.append("")
    single = report.get("latency")
    if single:
        carried = single["carried"]
        lines += [f"One image of {size(carried['bytes'])}, {carried['rate']} a second, from its file's close to its row: median {carried['median']:.1f} ms, "
                  f"99th percentile {carried['p99']:.1f} ms, at most {carried['most']:.1f} ms of {carried['images']}. From a producer's start to the first "
                  f"open of an image: {spread(single['start_up'], '{:.1f}')} ms.", ""]
    lines += ["### Marks", "", "| images | mark | wanted | is |", "|---|---|---|---|"]
    for result in report["results"].values():
        for text, wanted, found, holds in marks(result):
            lines.append(f"| {size(result['bytes'])} | {text} | {wanted} | {found}{'' if holds else ' **missed**'} |")
    if single:
        for text, wanted, found in (("close to row, median", 20, carried["median"]), ("close to row, 99th percentile", 100, carried["p99"]),
                                    ("start to first open", 50, single["start_up"]["median"])):
            lines.append(f"| {size(carried['bytes'])} | {text} | at most {wanted} ms | {found:.1f} ms{'' if found <= wanted else ' **missed**'} |")
    return "\n".join(lines) + "\n"


def cpu(values):
    return values["user_per_gigabyte"]["median"] + values["system_per_gigabyte"]["median"]


def marks(result):
    """Ratios within one run, by medians."""
    large = result["bytes"] >= 60_000
    producer, consumer = result.get("producer", {}), result.get("consumer", {})
    if producer:
        own, ceiling = producer["image-pipeline"], producer["client's ceiling"]
        ratio = own["images_per_second"]["median"] / ceiling["images_per_second"]["median"]
        wanted = 0.95 if large else 0.8
        yield "producer's rate by the client's ceiling", f"at least {wanted}", f"{ratio:.2f}", ratio >= wanted
        if "Python" in producer:
            ratio = cpu(own) / cpu(producer["Python"])
            yield "producer's CPU by Python's", "at most 0.5", f"{ratio:.2f}", ratio <= 0.5
        yield memory("producer", own)
    if consumer:
        own, client, disk = consumer["image-pipeline"], consumer["client's ceiling"], consumer["disk's ceiling"]
        lower = min(client["images_per_second"]["median"], disk["images_per_second"]["median"])
        ratio = own["images_per_second"]["median"] / lower
        yield "consumer's rate by the lower ceiling", "at least 0.8", f"{ratio:.2f}", ratio >= 0.8
        if "Python" in consumer:
            ratio = (cpu(own) - cpu(disk)) / (cpu(consumer["Python"]) - cpu(disk))
            yield "consumer's CPU by Python's, both without the disk's", "at most 0.35", f"{ratio:.2f}", ratio <= 0.35
        yield memory("consumer", own)


def memory(side, values):
    peak = values["memory"]["high"] / 1e6
    return f"{side}'s peak memory", "at most 48 MB", f"{peak:.0f} MB", peak <= 48


def svg(report):
    groups = [(result, side) for side in ("producer", "consumer") for result in report["results"].values() if side in result]
    bar, gap, left, width = 16, 14, 150, 860
    scale = width - left - 190
    parts, top = [], 40
    for side in ("producer", "consumer"):
        mine = [result for result, of in groups if of == side]
        if not mine:
            continue
        parts.append(f'<text x="10" y="{top}" font-weight="bold" font-size="15">{side.capitalize()}: MB of images a second</text>')
        top += 14
        most = max(values["megabytes_per_second"]["median"] for result in mine for values in result[side].values())
        for result in mine:
            parts.append(f'<text x="10" y="{top + 13}">{result["count"]:,} of {size(result["bytes"])}</text>')
            for name, values in result[side].items():
                rate = values["megabytes_per_second"]
                length = rate["median"] / most * scale
                low, high = (left + rate[end] / most * scale for end in ("low", "high"))
                parts.append(f'<rect x="{left}" y="{top}" width="{length:.0f}" height="{bar - 3}" fill="{COLOURS.get(name, "#888")}"/>')
                parts.append(f'<line x1="{low:.0f}" x2="{min(high, width):.0f}" y1="{top + 6}" y2="{top + 6}" stroke="#333"/>')
                parts.append(f'<text x="{max(left + length, high) + 6:.0f}" y="{top + 11}" font-size="11">{rate["median"]:.0f}  {name}</text>')
                top += bar
            top += gap
        top += 24
    body = "\n".join(parts)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width + 60}" height="{top}" font-family="sans-serif" font-size="12">'
            f'<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n')

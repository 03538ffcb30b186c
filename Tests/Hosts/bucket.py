"""Reads an output in a bucket over the S3 API, without the product, and compares it with what was sent."""

import collections
import csv
import datetime
import hashlib
import hmac
import http.client
import io
import re
import urllib.parse
import xml.etree.ElementTree

NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"
# How many differences of a kind are shown.
SHOWN = 5


class Bucket:
    """Reads objects. Requests are signed with version 4 of Amazon's signatures."""

    def __init__(self, endpoint, bucket, key, secret, region="us-east-1"):
        self.host = endpoint.removeprefix("http://")
        self.bucket, self.key, self.secret, self.region = bucket, key, secret, region
        self.connection = http.client.HTTPConnection(self.host, timeout=60)

    def get(self, key="", **query):
        """Returns headers and body."""
        path = "/" + urllib.parse.quote(f"{self.bucket}/{key}" if key else self.bucket, safe="/-_.~")
        text = urllib.parse.urlencode(sorted(query.items()), quote_via=urllib.parse.quote, safe="-_.~")
        self.connection.request("GET", path + ("?" + text if text else ""), headers=self.signed(path, text))
        response = self.connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise RuntimeError(f"GET {path}?{text}: {response.status} {body[:500]}")
        return response.headers, body

    def signed(self, path, query):
        time = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        nothing = hashlib.sha256(b"").hexdigest()
        headers = {"host": self.host, "x-amz-content-sha256": nothing, "x-amz-date": time}
        names = ";".join(headers)
        request = "\n".join(["GET", path, query, *(f"{name}:{headers[name]}" for name in headers), "", names, nothing])
        scope = f"{time[:8]}/{self.region}/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", time, scope, hashlib.sha256(request.encode()).hexdigest()])
        key = ("AWS4" + self.secret).encode()
        for part in [*scope.split("/"), text]:
            key = hmac.digest(key, part.encode(), "sha256")
        return {**headers, "Authorization":
                f"AWS4-HMAC-SHA256 Credential={self.key}/{scope}, SignedHeaders={names}, Signature={key.hex()}"}

    def keys(self, prefix):
        query = {"list-type": "2", "prefix": prefix}
        while True:
            tree = xml.etree.ElementTree.fromstring(self.get(**query)[1])
            yield from (entry.findtext(NAMESPACE + "Key") for entry in tree.iter(NAMESPACE + "Contents"))
            token = tree.findtext(NAMESPACE + "NextContinuationToken")
            if not token:
                return
            query["continuation-token"] = token


class Verdict:
    """The differences between a bucket and the images that were sent."""

    def __init__(self, bucket, prefix, topic, images):
        self.bucket, self.prefix, self.images = bucket, prefix, images
        self.faults = []
        self.log = re.compile(rf"\.image-pipeline/[^/]+/{re.escape(topic)}/1/(\d+)/(\d{{20}})\.csv")
        # What an output has besides images and batches.
        self.known = re.compile(
            rf"\.image-pipeline/(output|[^/]+/{re.escape(topic)}/1/\d+/(checkpoint|notes/\d{{20}}-[0-9a-f]+\.json))")
        self.rows = []

    def read(self):
        names, batches = [], collections.defaultdict(list)
        for key in self.bucket.keys(self.prefix + "/"):
            name = key.removeprefix(self.prefix + "/")
            if match := self.log.fullmatch(name):
                batches[int(match[1])].append((int(match[2]), key))
            elif not name.startswith(".image-pipeline/"):
                names.append(name)
            elif not self.known.fullmatch(name):
                self.faults.append(f"left over: {name}")
        for partition, log in sorted(batches.items()):
            self.read_log(partition, sorted(log))
        self.compare_objects(names)
        self.compare_rows()
        return self.faults

    def read_log(self, partition, log):
        """Each batch begins where the one before it ends."""
        position, offset = 0, -1
        for first, key in log:
            headers, body = self.bucket.get(key)
            if first != position:
                self.faults.append(f"partition {partition}: a batch begins at {first}, not at {position}")
            position = int(headers["x-amz-meta-next"])
            for row in csv.DictReader(io.StringIO(body.decode())):
                if (int(row["partition"]), offset < int(row["offset"]) < position) != (partition, True):
                    self.faults.append(f"{key}: a row of offset {row['offset']} after {offset}")
                offset = int(row["offset"])
                self.rows.append(row)

    def compare_objects(self, names):
        for name in sorted(set(names) - set(self.images.versions)):
            self.faults.append(f"nobody sent it: {name}")
        for name in self.images.versions:
            if name not in names:
                self.faults.append(f"no object: {name}")
                continue
            headers, body = self.bucket.get(f"{self.prefix}/{name}")
            found, wanted = hashlib.sha256(body).hexdigest(), self.images.digests(name)
            if found != wanted[-1]:
                known = f"version {wanted.index(found) + 1}" if found in wanted else "no version of it"
                self.faults.append(f"other bytes: {name} is {known} of {len(wanted)}, {headers['x-amz-meta-origin']}")
            elif headers["x-amz-meta-sha256"] != found:
                self.faults.append(f"other metadata: {name} has the hash {headers['x-amz-meta-sha256']}")

    def compare_rows(self):
        """A row for each version, in their order."""
        found = collections.defaultdict(list)
        start = f"s3://{self.bucket.bucket}/{self.prefix}/"
        for row in self.rows:
            found[row["file_path"].removeprefix(start)].append(row)
        for name in sorted(set(found) | set(self.images.versions)):
            wanted = self.images.digests(name) if name in self.images.versions else []
            rows = found[name]
            if [row["sha256"] for row in rows] != wanted:
                where = [f"{row['sha256'][:8]} at {row['partition']}/{row['offset']}" for row in rows]
                self.faults.append(
                    f"other rows: {name} has {', '.join(where) or 'none'}, not {', '.join(text[:8] for text in wanted)}")

import Configuration
import Kafka
import Telemetry

enum Help {
  static let version = "image-pipeline \(Product.version) (librdkafka \(KafkaSettings.version))"

  static let usage = """
    usage: image-pipeline producer [--once [--until-stored]] [--resend]
           image-pipeline consumer [--count N] [--until-idle SECONDS] [--from-beginning]
           image-pipeline page     [--output DIR]
           image-pipeline status   [NAME] [--json]
           image-pipeline demo     [--input DIR] [--output DIR] [--page]
           image-pipeline verify   [--input DIR] [--output DIR] [--csv FILE] [--resend] [--json]
           image-pipeline audit    [--input DIR] [--output DIR] [--csv FILE] [--sample N] [--json]
           image-pipeline export
           image-pipeline messages [--count N] [--json]
           image-pipeline dead-letters [--all] [--replay] [--json]
           image-pipeline receipts --resend
           image-pipeline repair   [--output DIR] [--csv FILE] [--json]
           image-pipeline health   [--ready]
           image-pipeline doctor   [--producer] [--consumer] [--kafka] [--outside-canary] [--json]
           image-pipeline --help | --version
    """

  static var full: String {
    var text = """
      Sends image files through Apache Kafka, stores them on the other side, and verifies that they arrived unchanged.

      \(usage)

      producer   sends the images in IMAGES_DIR to TOPIC, then watches the folder
        --once            send the existing files and exit; 0 if the broker has acknowledged all of them
        --until-stored    with --once: exit when receipts have confirmed all of them; 0 if all are stored
        --resend          send all images, including those that were sent before
      consumer   stores the images of TOPIC in PROCESSED_IMAGES_DIR, each with a row in CSV_PATH
        --count N         exit after storing N images
        --until-idle S    exit when nothing has been left to store for S seconds
        --from-beginning  read the whole topic again; images that are already stored do not change
      page       serves a page with the stored pictures, newest first, at http://localhost:8080 (PAGE_PORT). It asks
                 Kafka only for dead letters, when somebody opens them, and changes nothing without PAGE_TOKEN
        --output DIR      folder of the stored images, or the --output of a demo; default: PROCESSED_IMAGES_DIR
      status     counts what became of the images that the producer has sent, as STATE_DIR has it: waiting for receipts,
                 confirmed, dead letters, lost; exits with 1 if nothing was sent
        NAME              show the way of this image
      demo       runs producer and consumer in one process with an embedded broker; needs no Kafka
        --input DIR       folder of the images; default: IMAGES_DIR
        --output DIR      folder for processed_images/ and processed_image_data.csv; default: .
        --page            serve the page meanwhile, and go on with new images until Ctrl-C
      verify     compares images, stored images and CSV file by SHA-256; exits with 1 if an image is missing, altered,
                 duplicated or extra
        --input DIR       folder of the images; default: IMAGES_DIR
        --output DIR      folder of the stored images, or the --output of a demo; default: PROCESSED_IMAGES_DIR
        --csv FILE        CSV file; default: CSV_PATH
        --resend          send missing and altered images again
      audit      answers whether everything arrived without reading images: compares input, ledger, topic, positions,
                 output and CSV file by names, sizes, times and offsets. Producers and consumers may run. Exits with 1 if
                 something is missing, altered, lost, doubled or unknown
        --input DIR       folder of the images; default: IMAGES_DIR
        --output DIR      folder of the stored images, or the --output of a demo; default: PROCESSED_IMAGES_DIR
        --csv FILE        CSV file; default: CSV_PATH
        --sample N        also read N stored images that are chosen at random, and compare their SHA-256
      export     prints the rows of all stored images as one CSV file, if PROCESSED_IMAGES_DIR is a bucket
      messages   shows the newest messages of TOPIC, one line each: image, size, segment, hash
        --count N         maximum number of messages; default: 10
      dead-letters  lists the messages that could not be stored, with the reasons
        --replay          send them back to TOPIC, each of them once
        --all             also list those that were sent back before
      receipts   confirms stored images to the producers, in the topic TOPIC-receipts
        --resend          send receipts for all that is stored now, for example if that topic was deleted. Consumers may run
      repair     rebuilds a lost or damaged catalog from the CSV file and the images, and the CSV file from the
                 catalog; lists images that are missing or altered. In a folder, stop all consumers first
        --output DIR      folder of the stored images, or the --output of a demo; default: PROCESSED_IMAGES_DIR
        --csv FILE        CSV file; default: CSV_PATH
      health     asks the producer or consumer at HTTP_PORT of this machine whether it is alive; exits with 0 if it is
        --ready           ask whether it can do its work: broker, folders and group are available

      doctor     checks everything from client to disk: clock, permissions, brokers, topic, size limits, folders, events,
                 free space. Each finding has its fix. Exits with 1 if there is a problem. Changes nothing
        --producer        check only the producer's side
        --consumer        check only the consumer's side; default: both
        --kafka           check no folders and no running side, only versions, clock, brokers, topic and size limits
        --outside-canary  wait for a file .image-pipeline-canary-* that is created in IMAGES_DIR outside of the container

      --json, if a command has it, prints one JSON object per line to stdout: each finding, then the counts

      Exit codes: 0 success, 1 something failed or differs, 2 invalid command line or variable.

      Everything else is configured with environment variables:

      """
    for group in Variable.groups {
      text += "\n\(group.title)\n"
      for variable in group.variables {
        text += "  \(variable.name)=\(variable.defaultValue)\n" + wrapped(variable.help)
      }
    }
    return text + """

      Any other KAFKA_A_B sets librdkafka's property a.b, for both sides (KAFKA_SECURITY_PROTOCOL=SSL,
      KAFKA_SASL_USERNAME=...). A secret may come from a file: KAFKA_SASL_PASSWORD_FILE=/run/secrets/password.

      """
  }

  private static func wrapped(_ text: String) -> String {
    var lines = ""
    var line = ""
    for word in text.split(separator: " ") {
      if line.count + word.count + 1 > 90 {
        lines += "      \(line)\n"
        line = ""
      }
      line += line.isEmpty ? word : " " + word
    }
    return lines + "      \(line)\n"
  }
}

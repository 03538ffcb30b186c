import Configuration
import Kafka
import Telemetry

enum Help {
  static let version = "image-pipeline \(Product.version) (librdkafka \(KafkaSettings.version))"

  static let usage = """
    usage: image-pipeline producer [--once] [--resend]
           image-pipeline consumer [--count N] [--until-idle SECONDS] [--from-beginning]
           image-pipeline demo     [--input DIR] [--output DIR]
           image-pipeline verify   [--input DIR] [--output DIR] [--csv FILE] [--resend]
           image-pipeline messages [--count N]
           image-pipeline dead-letters [--all] [--replay]
           image-pipeline repair   [--output DIR] [--csv FILE]
           image-pipeline health   [--ready]
           image-pipeline doctor   [--producer] [--consumer] [--outside-canary]
           image-pipeline --help | --version
    """

  static var full: String {
    var text = """
      Carries image files through Apache Kafka and proves that they arrived.

      \(usage)

      producer   sends the images in IMAGES_DIR to TOPIC and goes on watching the folder
        --once            send what is there; exit 0 when the broker has acknowledged all of it
        --resend          forget what was sent before
      consumer   stores the images of TOPIC in PROCESSED_IMAGES_DIR and logs them in CSV_PATH
        --count N         end when N images have been stored
        --until-idle S    end when the whole topic has been stored for S seconds
        --from-beginning  read the whole topic again; images that are stored already stay as they are
      demo       both in one process, on an embedded broker: needs no Kafka
        --input DIR       the images; IMAGES_DIR where not given
        --output DIR      gets processed_images/ and processed_image_data.csv; . where not given
      verify     compares images, stored images and CSV file by SHA-256; exit 1 where something is missing,
                 altered, doubled or extra
        --input DIR       the images; IMAGES_DIR where not given
        --output DIR      the stored images, or a demo's --output; PROCESSED_IMAGES_DIR where not given
        --csv FILE        the CSV file; CSV_PATH where not given
        --resend          send what is missing or altered again
      messages   shows the newest messages of TOPIC, a line each: image, size, segment, hash
        --count N         so many; 10 where not given
      dead-letters  lists the messages that could not be stored, with their reasons
        --replay          send them back to TOPIC, each once; what was sent back is remembered
        --all             list those too that were sent back before
      repair     makes a lost or damaged catalog anew from the CSV file and the images, and the CSV file from the
                 catalog, and names images that are missing or altered; with no consumer running
        --output DIR      the stored images, or a demo's --output; PROCESSED_IMAGES_DIR where not given
        --csv FILE        the CSV file; CSV_PATH where not given
      health     asks the producer or consumer at HTTP_PORT of this machine whether it lives; exit 0 where it does
        --ready           whether it does its work: broker, folders and group are there

      doctor     looks at everything on the way from client to disk: clock, rights, brokers, topic, size limits, folders,
                 events, room; each finding with its cure; exit 1 where there is a problem. It changes nothing
        --producer        the producer's side alone
        --consumer        the consumer's side alone; both where neither is given
        --outside-canary  wait for a file .image-pipeline-canary-* that is made in IMAGES_DIR from outside a container

      Exit codes: 0 done, 1 something failed or differs, 2 the command line or the environment is wrong.

      Everything else is set by environment variables:

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

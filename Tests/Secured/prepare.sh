#!/usr/bin/env bash
# Certificates for a broker that asks for them, and the broker settings that go with them; for SecuredBrokerTests.
#
#   prepare.sh FOLDER PLAINTEXT_PORT CONTROLLER_PORT TLS_PORT SASL_PORT MUTUAL_PORT
#
# Prints one NAME=VALUE of a broker's properties a line. Users: `carrier`, who may do everything, `stranger`, who may do what a
# test allows, and `bystander`, who may do nothing. The password of all is `a-secret`. For SCRAM they have to be created at the broker
# once it runs:
#   kafka-configs --alter --entity-type users --entity-name carrier --add-config 'SCRAM-SHA-512=[password=a-secret]'
set -euo pipefail

folder=$1 plaintext=$2 controller=$3 tls=$4 sasl=$5 mutual=$6
mkdir -p "$folder"
cd "$folder"

authority() { # NAME
  openssl req -x509 -newkey rsa:2048 -nodes -days 7 -subj "/CN=$1" -keyout "$1.key" -out "$1.pem" 2>/dev/null
}
certificate() { # NAME SUBJECT: signed by ca
  openssl req -newkey rsa:2048 -nodes -subj "$2" -keyout "$1.key" -out "$1.csr" 2>/dev/null
  openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 7 -out "$1.pem" 2>/dev/null \
    -extfile <(echo 'subjectAltName=DNS:localhost,IP:127.0.0.1,DNS:broker')
}
authority ca
authority another-ca
certificate broker /CN=localhost
certificate carrier /CN=carrier
certificate stranger /CN=stranger
# As Kafka's PEM keystores want it: the key in PKCS 8, then the chain.
cat broker.key broker.pem ca.pem >broker-keystore.pem
printf '%s' 'a-secret' >password
cat >addresses <<A
tls=localhost:$tls
sasl=localhost:$sasl
mutual=localhost:$mutual
A

plain=org.apache.kafka.common.security.plain.PlainLoginModule
scram=org.apache.kafka.common.security.scram.ScramLoginModule
cat <<P
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$plaintext,CONTROLLER://127.0.0.1:$controller,TLS://127.0.0.1:$tls,SASL://127.0.0.1:$sasl,MUTUAL://127.0.0.1:$mutual
advertised.listeners=PLAINTEXT://127.0.0.1:$plaintext,TLS://localhost:$tls,SASL://localhost:$sasl,MUTUAL://localhost:$mutual
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,TLS:SSL,SASL:SASL_SSL,MUTUAL:SSL
ssl.keystore.type=PEM
ssl.keystore.location=$PWD/broker-keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location=$PWD/ca.pem
listener.name.mutual.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl.plain.sasl.jaas.config=$plain required user_carrier="a-secret" user_stranger="a-secret" user_bystander="a-secret";
listener.name.sasl.scram-sha-256.sasl.jaas.config=$scram required;
listener.name.sasl.scram-sha-512.sasl.jaas.config=$scram required;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:carrier;User:CN=carrier
P

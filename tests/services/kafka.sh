#!/usr/bin/env bash
# Apache Kafka, one node as broker and controller, on loopback: `kafka.sh PORT DIR`. Prints the
# process id.
#   PORT      plain text
#   PORT + 1  SASL over plain text, SCRAM-SHA-512, user KAFKA_USER (app) with KAFKA_PASS (app-secret)
#   PORT + 2  the controller
# Its data is in DIR/data and survives the process. KAFKA_PROPS: further lines of its properties.
# Needs a JDK and Maven. SVC_LIB: the cache of jars.
source "$(dirname "${BASH_SOURCE[0]}")/service.sh"
sasl=$((port + 1)) controller=$((port + 2))
unless_running "$port" "$sasl" "$controller"
jars kafka-4.3.1 org.apache.kafka:kafka_2.13:4.3.1 org.apache.logging.log4j:log4j-slf4j-impl:2.25.4

cat >"$folder/server.properties" <<CONF
node.id=1
process.roles=broker,controller
controller.quorum.voters=1@127.0.0.1:$controller
listeners=OPEN://127.0.0.1:$port,SECURED://127.0.0.1:$sasl,CONTROLLER://127.0.0.1:$controller
advertised.listeners=OPEN://127.0.0.1:$port,SECURED://127.0.0.1:$sasl
listener.security.protocol.map=OPEN:PLAINTEXT,SECURED:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=OPEN
controller.listener.names=CONTROLLER
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.secured.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
log.dirs=$folder/data
# A missing topic must be an error.
auto.create.topics.enable=false
# One node holds every replica of Kafka's internal topics.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# Group members join one at a time here.
group.initial.rebalance.delay.ms=0
${KAFKA_PROPS:-}
CONF

cat >"$folder/log4j2.properties" <<'CONF'
rootLogger.level=INFO
rootLogger.appenderRef.console.ref=console
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d %p %c{1} %m%n
CONF

# The user is a part of the initial metadata, because Kafka has no other way to create a user before
# the start.
java "-Djava.io.tmpdir=$folder" "-Dlog4j2.configurationFile=$folder/log4j2.properties" -XX:+UseSerialGC -Xmx128m \
  -cp "$jars/*" kafka.tools.StorageTool format --ignore-formatted --cluster-id ZHJvdmVyLXRlc3RzLTAwMQ \
  --config "$folder/server.properties" \
  --add-scram "SCRAM-SHA-512=[name=${KAFKA_USER:-app},password=${KAFKA_PASS:-app-secret}]" >"$folder/format.log" 2>&1 ||
  { tail -n 5 "$folder/format.log" >&2; fail 'its folder could not be formatted'; }

is_started() {
  grep -q 'Kafka Server started' "$log" && is_open "$port" && is_open "$sasl"
}

launch 512 "-Dlog4j2.configurationFile=$folder/log4j2.properties" -cp "$jars/*" kafka.Kafka "$folder/server.properties"
until_ready is_started

#!/usr/bin/env bash
# ElasticMQ, an SQS-compatible service, in memory, on loopback: `elasticmq.sh PORT DIR`. Prints the
# process id.
# Needs a JDK and Maven. SVC_LIB: the cache of jars.
source "$(dirname "${BASH_SOURCE[0]}")/service.sh"
unless_running "$port"
jars elasticmq-1.7.1 org.elasticmq:elasticmq-server_2.13:1.7.1

cat >"$folder/elasticmq.conf" <<CONF
include classpath("application.conf")
# The service builds queue URLs from these values.
node-address { protocol = http, host = "127.0.0.1", port = $port, context-path = "" }
rest-sqs { enabled = true, bind-hostname = "127.0.0.1", bind-port = $port, sqs-limits = strict }
rest-stats { enabled = false }
CONF

launch 256 "-Dconfig.file=$folder/elasticmq.conf" -cp "$jars/*" org.elasticmq.server.Main
until_ready answers /health

#!/usr/bin/env bash
# DynamoDB Local, in memory, on loopback: `dynamodb.sh PORT DIR`. Prints the process id.
# Needs a JDK and Maven. SVC_LIB: the cache of jars; DDB_ARGS: further options of the service.
source "$(dirname "${BASH_SOURCE[0]}")/service.sh"
unless_running "$port"

# The service's own main class listens on every interface and has no option to change that.
build() {
  cat >"$jars/Loopback.java" <<'JAVA'
import com.amazonaws.services.dynamodbv2.local.main.ServerRunner;
import com.amazonaws.services.dynamodbv2.local.server.DynamoDBProxyServer;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;

/** DynamoDB Local for this machine alone. */
public final class Loopback {
  public static void main(String[] options) throws Exception {
    DynamoDBProxyServer service = ServerRunner.createServerFromCommandLineArgs(options);
    var field = DynamoDBProxyServer.class.getDeclaredField("server");
    field.setAccessible(true);
    for (var connector : ((Server) field.get(service)).getConnectors()) {
      ((ServerConnector) connector).setHost("127.0.0.1");
    }
    service.start();
    service.join();
  }
}
JAVA
  javac -cp "$jars/*" -d "$jars" "$jars/Loopback.java"
}

jars dynamodb-local-2.6.1 com.amazonaws:DynamoDBLocal:2.6.1
# shellcheck disable=SC2086
launch 256 -cp "$jars:$jars/*" Loopback -inMemory -disableTelemetry -port "$port" ${DDB_ARGS:-}
until_ready answers /

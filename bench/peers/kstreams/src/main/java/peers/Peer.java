package peers;

import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.LogAndContinueExceptionHandler;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.processor.TimestampExtractor;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.WindowStore;

/**
 * The state of each device by event time, as one would write it with Kafka Streams: tumbling windows of five minutes with one
 * minute of grace, aggregated in a persistent (RocksDB) window store with its cache and its changelog, both on by default.
 *
 * <pre>Peer BOOTSTRAP TOPIC FOLDER at_least_once|exactly_once_v2 continue|default WARM-UP MAIN</pre>
 *
 * It reads the topic from its beginning to the record with the key `end`, prints where its phases end ({@link Progress}), then
 * for each device its windows together, and how large the changelog is. If the application stops by itself, it prints why.
 *
 * <p>What is not default: the time of an event is taken from the event (a future one is not refused: the default does not,
 * and no extractor can without dropping), bad records are logged and skipped where the argument says so, null values are
 * filtered out (a windowed aggregation hands them to its aggregator, which would stop the application), and windows are kept
 * for thirty days. One stream thread, which is the default.
 */
public final class Peer {
    private static final Duration WINDOW = Duration.ofMinutes(5);
    private static final Duration GRACE = Duration.ofMinutes(1);
    private static final Duration KEPT = Duration.ofDays(30);
    private static final String STORE = "devices";
    private static final String APPLICATION = "peer";

    private final String bootstrap;
    private final CountDownLatch ended = new CountDownLatch(1);
    private final AtomicReference<Throwable> fault = new AtomicReference<>();
    private KafkaStreams streams;
    private Metric commits;

    private Peer(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    public static void main(String[] arguments) throws Exception {
        Progress.mark("start", 0);
        Peer peer = new Peer(arguments[0]);
        Properties settings = peer.settings(Path.of(arguments[2]), arguments[3], arguments[4].equals("continue"));
        Topology topology =
                peer.topology(arguments[1], Long.parseLong(arguments[5]), Long.parseLong(arguments[6]));
        peer.run(new KafkaStreams(topology, settings), settings);
    }

    private Properties settings(Path folder, String guarantee, boolean goOn) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, APPLICATION + "-" + folder.getFileName());
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, folder.toString());
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, guarantee);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        if (goOn) {
            settings.put(
                    StreamsConfig.DESERIALIZATION_EXCEPTION_HANDLER_CLASS_CONFIG,
                    LogAndContinueExceptionHandler.class);
        }
        return settings;
    }

    private Topology topology(String topic, long warmUp, long main) {
        TimestampExtractor observed =
                (record, partitionTime) ->
                        record.value() instanceof Reading reading && reading.timestamp() != null
                                ? reading.observedAt()
                                : record.timestamp();
        Consumed<String, Reading> consumed =
                Consumed.with(Serdes.String(), Serdes.serdeFrom((name, reading) -> null, Reading.deserializer()))
                        .withTimestampExtractor(observed);
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(topic, consumed)
                .processValues(() -> new Progress(warmUp, main, this::commits, ended))
                .filter((device, reading) -> reading != null)
                .groupByKey(Grouped.with(Serdes.String(), null))
                .windowedBy(TimeWindows.ofSizeAndGrace(WINDOW, GRACE))
                .aggregate(
                        () -> Aggregate.NONE,
                        (device, reading, state) -> state.with(reading.payload().value(), reading.observedAt()),
                        Materialized.<String, Aggregate, WindowStore<Bytes, byte[]>>as(
                                        STORE)
                                .withKeySerde(Serdes.String())
                                .withValueSerde(Aggregate.serde())
                                .withRetention(KEPT));
        return builder.build();
    }

    private void run(KafkaStreams application, Properties settings) throws Exception {
        streams = application;
        streams.setUncaughtExceptionHandler(
                error -> {
                    fault.set(error);
                    ended.countDown();
                    return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
                });
        streams.start();
        if (!ended.await(10, TimeUnit.MINUTES)) {
            throw new IllegalStateException("the end of the topic did not come");
        }
        if (fault.get() == null) {
            states().forEach((device, state) -> print("%s", json(device, state)));
            double skipped = metrics("stream-task-metrics", "dropped-records-total").mapToDouble(Peer::value).sum();
            print("{\"counts\":{\"skipped or dropped\":%.0f}}", skipped);
        }
        // The last commit is made here, and may be what fails.
        streams.close(Duration.ofSeconds(30));
        if (fault.get() != null) {
            print("{\"stopped\":\"%s\"}", cause(fault.get()));
        }
        Progress.mark("closed", 0);
        print("{\"changelog_bytes\":%d}", changelogBytes(settings.getProperty(StreamsConfig.APPLICATION_ID_CONFIG)));
    }

    /** What the windows of each device say together. */
    private Map<String, Aggregate> states() {
        Map<String, Aggregate> states = new TreeMap<>();
        var query =
                StoreQueryParameters.fromNameAndType(STORE, QueryableStoreTypes.<String, Aggregate>windowStore());
        try (var all = streams.store(query).all()) {
            all.forEachRemaining(window -> states.merge(window.key.key(), window.value, Aggregate::with));
        }
        return states;
    }

    private static String json(String device, Aggregate state) {
        return String.format(
                "{\"device\":\"%s\",\"count\":%d,\"sum\":%s,\"min\":%s,\"max\":%s,\"latest\":%s,\"latest_at\":\"%s\"}",
                device,
                state.count(),
                state.sum(),
                state.min(),
                state.max(),
                state.latest(),
                Instant.ofEpochMilli(state.latestAt()));
    }

    /** Of the one stream thread. */
    private double commits() {
        if (commits == null) {
            commits = metrics("stream-thread-metrics", "commit-total").findFirst().orElseThrow();
        }
        return value(commits);
    }

    private Stream<? extends Metric> metrics(String group, String name) {
        return streams.metrics().values().stream()
                .filter(metric -> metric.metricName().group().equals(group) && metric.metricName().name().equals(name));
    }

    private static double value(Metric metric) {
        return ((Number) metric.metricValue()).doubleValue();
    }

    private long changelogBytes(String application) throws Exception {
        String topic = application + "-" + STORE + "-changelog";
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            long bytes = 0;
            for (var folders : admin.describeLogDirs(List.of(1)).allDescriptions().get().values()) {
                for (var folder : folders.values()) {
                    for (var replica : folder.replicaInfos().entrySet()) {
                        bytes += replica.getKey().topic().equals(topic) ? replica.getValue().size() : 0;
                    }
                }
            }
            return bytes;
        }
    }

    private static String cause(Throwable error) {
        Throwable last = error;
        while (last.getCause() != null) {
            last = last.getCause();
        }
        String text = error.getClass().getSimpleName() + ": " + last.getClass().getSimpleName() + ": " + last.getMessage();
        return text.replaceAll("[\"\\\\\\s]+", " ").strip();
    }

    private static void print(String format, Object... values) {
        System.out.printf(format + "%n", values);
    }
}

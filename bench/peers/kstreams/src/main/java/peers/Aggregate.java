package peers;

import java.nio.ByteBuffer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;

/**
 * The state of a device in one window: count, sum, minimum, maximum, and the latest value by the time of its event. Stored in
 * binary, 48 bytes: JSON here would cost the application more than a careful author would let it.
 */
record Aggregate(long count, double sum, double min, double max, double latest, long latestAt) {

    static final Aggregate NONE =
            new Aggregate(0, 0, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY, 0, Long.MIN_VALUE);

    Aggregate with(double value, long at) {
        boolean newer = at > latestAt;
        return new Aggregate(
                count + 1,
                sum + value,
                Math.min(min, value),
                Math.max(max, value),
                newer ? value : latest,
                newer ? at : latestAt);
    }

    Aggregate with(Aggregate other) {
        boolean newer = other.latestAt > latestAt;
        return new Aggregate(
                count + other.count,
                sum + other.sum,
                Math.min(min, other.min),
                Math.max(max, other.max),
                newer ? other.latest : latest,
                newer ? other.latestAt : latestAt);
    }

    static Serde<Aggregate> serde() {
        return Serdes.serdeFrom(
                (topic, aggregate) -> aggregate == null ? null : aggregate.toBytes(),
                (topic, bytes) -> bytes == null ? null : of(ByteBuffer.wrap(bytes)));
    }

    private byte[] toBytes() {
        return ByteBuffer.allocate(48)
                .putLong(count)
                .putDouble(sum)
                .putDouble(min)
                .putDouble(max)
                .putDouble(latest)
                .putLong(latestAt)
                .array();
    }

    private static Aggregate of(ByteBuffer bytes) {
        return new Aggregate(
                bytes.getLong(),
                bytes.getDouble(),
                bytes.getDouble(),
                bytes.getDouble(),
                bytes.getDouble(),
                bytes.getLong());
    }
}

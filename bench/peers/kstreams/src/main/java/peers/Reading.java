package peers;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.time.Instant;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Deserializer;

/**
 * An event as it stands in the topic, with the fields that the application needs. One that lacks them is as bad as one
 * that is no JSON: without `required`, Jackson would make zeros and nulls of what is missing, and they would be counted.
 */
record Reading(
        @JsonProperty(value = "device_id", required = true) String device,
        @JsonProperty(value = "event_id", required = true) String id,
        @JsonProperty(value = "event_type", required = true) String type,
        @JsonProperty(value = "timestamp", required = true) String timestamp,
        @JsonProperty(value = "payload", required = true) Payload payload) {

    record Payload(@JsonProperty(value = "value", required = true) double value) {}

    private static final ObjectMapper JSON =
            new ObjectMapper()
                    .configure(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES, false)
                    .configure(DeserializationFeature.FAIL_ON_MISSING_CREATOR_PROPERTIES, true);

    long observedAt() {
        return Instant.parse(timestamp).toEpochMilli();
    }

    /** A null value stays null: the topology drops it. */
    static Deserializer<Reading> deserializer() {
        return (topic, bytes) -> {
            if (bytes == null) {
                return null;
            }
            try {
                return JSON.readValue(bytes, Reading.class);
            } catch (Exception error) {
                throw new SerializationException("not a reading", error);
            }
        };
    }
}

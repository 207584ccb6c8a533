package peers;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.concurrent.CountDownLatch;
import java.util.function.DoubleSupplier;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;

/**
 * Counts what goes by, and prints the CPU time of the process where a phase ends, for `bench/peers/run`. At the end of a phase it
 * asks for a commit and prints only when that has happened, so that what the cache held back is paid for in the phase
 * that caused it. It is passed by every record and changes none; the last one of the topic has the key `end`.
 */
final class Progress extends ContextualFixedKeyProcessor<String, Reading, Reading> {
    static final String END = "end";
    private static final OperatingSystemMXBean SYSTEM =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    private static final long STARTED = System.nanoTime();

    private final long warmUp;
    private final long main;
    private final DoubleSupplier commits;
    private final CountDownLatch ended;
    private long count;
    private String pending;
    private double before;

    Progress(long warmUp, long main, DoubleSupplier commits, CountDownLatch ended) {
        this.warmUp = warmUp;
        this.main = main;
        this.commits = commits;
        this.ended = ended;
    }

    @Override
    public void process(FixedKeyRecord<String, Reading> record) {
        if (pending != null && (commits.getAsDouble() > before || record.key().equals(END))) {
            mark(pending, count);
            pending = null;
        }
        if (record.key().equals(END)) {
            mark("special", count);
            ended.countDown();
            return;
        }
        count++;
        context().forward(record);
        if (count == warmUp || count == warmUp + main) {
            pending = count == warmUp ? "warm-up" : "main";
            before = commits.getAsDouble();
            context().commit();
        }
    }

    static void mark(String phase, long count) {
        System.out.printf(
                "{\"mark\":\"%s\",\"cpu_seconds\":%.4f,\"wall_seconds\":%.4f,\"counts\":{\"records\":%d}}%n",
                phase, SYSTEM.getProcessCpuTime() / 1e9, (System.nanoTime() - STARTED) / 1e9, count);
    }
}

// Kafka's own Cleaner over the whole cleanable range of a copy, in one pass.
package oracle;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.Properties;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.storage.internals.log.Cleaner;
import org.apache.kafka.storage.internals.log.LogSegment;
import org.apache.kafka.storage.internals.log.LogToClean;
import org.apache.kafka.storage.internals.log.SkimpyOffsetMap;
import org.apache.kafka.storage.internals.log.UnifiedLog;
import org.apache.kafka.storage.internals.utils.Throttler;

public final class KafkaCleaner implements AutoCloseable {
    private static final int DEDUPE_BUFFER_BYTES = 128 << 20;
    private static final int IO_BUFFER_BYTES = 512 << 10;

    private final Path dir;
    private final long nowMs;
    private final KafkaLog kafka;
    private final long start;
    private final long end;

    // Opens a copy of `from` at `to`, to be cleaned at the clock `nowMs`; `roll` rolls first, so that
    // the active segment is cleaned too. The log starts at its first segment, or at `start`.
    KafkaCleaner(Path from, Path to, long nowMs, boolean roll, long start) throws IOException {
        KafkaLog.copy(from, to);
        this.dir = to;
        this.nowMs = nowMs;
        // Replaced segments are not removed while others are being cleaned.
        Properties later = new Properties();
        later.put("file.delete.delay.ms", "60000");
        this.kafka = KafkaLog.open(to, new Clock(nowMs), true, later, start);
        UnifiedLog log = kafka.log;
        log.updateHighWatermark(log.logEndOffset());
        // Where an open transaction leaves nothing to clean, a roll would be for nothing.
        Iterator<LogSegment> segments = log.logSegments().iterator();
        segments.next();
        long border = segments.hasNext() ? segments.next().baseOffset() : log.logEndOffset();
        if (roll && border <= log.lastStableOffset()) {
            log.roll();
        }
        this.end = Math.min(log.activeSegment().baseOffset(), log.lastStableOffset());
        this.start = log.logStartOffset();
    }

    // Cleans; gives the seconds that the cleaner took, nothing else counted.
    double clean() throws Exception {
        return clean(cleaner(1, nowMs));
    }

    // The same by a cleaner that there is.
    double clean(Cleaner cleaner) throws Exception {
        if (start >= end) {
            return 0;
        }
        long began = System.nanoTime();
        cleaner.doClean(new LogToClean(kafka.log, start, end, false), nowMs);
        return (System.nanoTime() - began) / 1e9;
    }

    // What one of so many threads of a broker cleans with, for as long as that runs.
    static Cleaner cleaner(int threads, long nowMs) throws Exception {
        Throttler unthrottled =
            new Throttler(Double.MAX_VALUE, 300, "cleaner", "bytes", Time.SYSTEM);
        return new Cleaner(0, new SkimpyOffsetMap(DEDUPE_BUFFER_BYTES / threads), IO_BUFFER_BYTES,
            104_857_612, 0.9, unthrottled, new Clock(nowMs), partition -> { });
    }

    @Override
    public void close() throws IOException {
        kafka.close();
        removeReplaced(dir);
    }

    // Cleans `from` into `to`; gives the seconds that the cleaner took.
    static double clean(Path from, Path to, long nowMs, boolean roll, long start)
            throws Exception {
        try (KafkaCleaner cleaner = new KafkaCleaner(from, to, nowMs, roll, start)) {
            return cleaner.clean();
        }
    }

    // What the scheduler would have removed a little later.
    private static void removeReplaced(Path dir) throws IOException {
        try (DirectoryStream<Path> files = Files.newDirectoryStream(dir, "*.deleted")) {
            for (Path file : files) {
                Files.delete(file);
            }
        }
    }
}

// A partition directory opened by Kafka's own storage layer, as a broker opens it at start.
package oracle;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Properties;
import org.apache.kafka.server.util.KafkaScheduler;
import org.apache.kafka.storage.internals.log.LogConfig;
import org.apache.kafka.storage.internals.log.LogDirFailureChannel;
import org.apache.kafka.storage.internals.log.ProducerStateManagerConfig;
import org.apache.kafka.storage.internals.log.UnifiedLog;
import org.apache.kafka.storage.log.metrics.BrokerTopicStats;

final class KafkaLog implements AutoCloseable {
    private static final int PRODUCER_EXPIRATION_MS = 86_400_000;

    final UnifiedLog log;
    private final KafkaScheduler scheduler;

    private KafkaLog(UnifiedLog log, KafkaScheduler scheduler) {
        this.log = log;
        this.scheduler = scheduler;
    }

    // After a clean shutdown nothing is recovered; otherwise everything is, from offset 0.
    static KafkaLog open(Path dir, Clock clock, boolean cleanShutdown, Properties overrides)
            throws IOException {
        return open(dir, clock, cleanShutdown, overrides, 0L);
    }

    // The same, where the log starts at offset `start`, as a broker knows from its checkpoint.
    static KafkaLog open(Path dir, Clock clock, boolean cleanShutdown, Properties overrides,
            long start) throws IOException {
        KafkaScheduler scheduler = new KafkaScheduler(1);
        scheduler.startup();
        Properties config = new Properties();
        config.put("cleanup.policy", "compact");
        config.put("segment.ms", "3153600000000");
        config.put("file.delete.delay.ms", "0");
        config.put("max.message.bytes", "104857600");
        config.put("message.timestamp.before.max.ms", Long.toString(Long.MAX_VALUE));
        config.put("message.timestamp.after.max.ms", Long.toString(Long.MAX_VALUE));
        config.putAll(overrides);
        UnifiedLog log = UnifiedLog.create(
            dir.toAbsolutePath().toFile(), new LogConfig(config), start,
            cleanShutdown ? Long.MAX_VALUE : 0L, scheduler, new BrokerTopicStats(), clock,
            300_000, new ProducerStateManagerConfig(PRODUCER_EXPIRATION_MS, false), 600_000,
            new LogDirFailureChannel(1), cleanShutdown, Optional.empty());
        return new KafkaLog(log, scheduler);
    }

    @Override
    public void close() throws IOException {
        try {
            scheduler.shutdown();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        log.close();
    }

    // Copies a directory with the modification times of files, which the cleaner goes by; the folder
    // of our own that may be in it, too.
    static void copy(Path from, Path to) throws IOException {
        Files.createDirectories(to);
        try (DirectoryStream<Path> files = Files.newDirectoryStream(from)) {
            for (Path file : files) {
                if (Files.isDirectory(file)) {
                    copy(file, to.resolve(file.getFileName()));
                } else if (Files.isRegularFile(file)) {
                    Files.copy(file, to.resolve(file.getFileName()),
                        java.nio.file.StandardCopyOption.COPY_ATTRIBUTES);
                }
            }
        }
    }
}

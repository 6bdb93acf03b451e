// What Kafka knows of the producers of a directory: what a broker would check sequences against, and
// which transactions it would hold open.
package oracle;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.storage.internals.log.ProducerStateEntry;
import org.apache.kafka.storage.internals.log.ProducerStateManager;

final class Producers {
    // At this clock nobody has expired.
    private static final long NOW_MS = 0;

    private Producers() { }

    // After Kafka has opened a copy of `dir`, which it makes in `work`.
    static TreeMap<Long, String> of(Path dir, Path work, boolean cleanShutdown) throws IOException {
        Path copy = work.resolve(dir.getFileName());
        Campaign.removeIfThere(copy);
        KafkaLog.copy(dir, copy);
        try (KafkaLog kafka =
                KafkaLog.open(copy, new Clock(NOW_MS), cleanShutdown, new Properties())) {
            return described(kafka.log.producerStateManager().activeProducers().values());
        }
    }

    // As a snapshot says it.
    static TreeMap<Long, String> inSnapshot(File file) throws IOException {
        return described(ProducerStateManager.readSnapshot(file));
    }

    static Optional<String> difference(
            TreeMap<Long, String> kafkas, TreeMap<Long, String> ours) {
        return kafkas.equals(ours) ? Optional.empty()
            : Optional.of("producers\n  Kafka's " + kafkas + "\n  ours    " + ours);
    }

    // Removes snapshots: all, or the newest.
    static void forget(Path dir, boolean all) throws IOException {
        List<String> names = Comparison.namesOf(dir, ".snapshot");
        for (String name : all ? names : names.subList(names.size() - 1, names.size())) {
            Files.delete(dir.resolve(name));
        }
    }

    private static TreeMap<Long, String> described(Iterable<ProducerStateEntry> entries) {
        TreeMap<Long, String> described = new TreeMap<>();
        for (ProducerStateEntry entry : entries) {
            described.put(entry.producerId(), "epoch " + entry.producerEpoch()
                + " sequence " + entry.lastSeq() + " offset " + entry.lastDataOffset()
                + " delta " + entry.lastOffsetDelta() + " timestamp " + entry.lastTimestamp()
                + " coordinator " + entry.coordinatorEpoch()
                + " transaction " + entry.currentTxnFirstOffset());
        }
        return described;
    }
}

// Kafka's own start-up over a copy of a directory: what it would truncate or rebuild.
package oracle;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.common.record.Record;
import org.apache.kafka.common.record.RecordBatch;
import org.apache.kafka.storage.internals.log.LogSegment;

final class Loading {
    private Loading() { }

    // Empty if Kafka takes the directory as it is: after a clean shutdown it changes no file, and in
    // a full recovery, which checks every batch, it cuts nothing off.
    static Optional<String> complaint(Path dir, Path work, long nowMs) throws IOException {
        Path clean = work.resolve("clean").resolve(dir.getFileName());
        KafkaLog.copy(dir, clean);
        TreeMap<String, byte[]> before = contents(clean);
        try (KafkaLog kafka = KafkaLog.open(clean, new Clock(nowMs), true, new Properties())) {
            for (LogSegment segment : kafka.log.logSegments()) {
                segment.sanityCheck(false);
                for (RecordBatch batch : segment.log().batches()) {
                    batch.ensureValid();
                    for (Record record : batch) {
                        record.ensureValid();
                    }
                }
            }
            Optional<String> changed = firstChange(before, contents(clean));
            if (changed.isPresent()) {
                return changed;
            }
        }
        Path unclean = work.resolve("unclean").resolve(dir.getFileName());
        KafkaLog.copy(dir, unclean);
        long logBytes = logBytes(unclean);
        try (KafkaLog kafka = KafkaLog.open(unclean, new Clock(nowMs), false, new Properties())) {
            if (logBytes(unclean) != logBytes) {
                return Optional.of("recovery cut " + (logBytes - logBytes(unclean)) + " bytes off");
            }
        }
        return Optional.empty();
    }

    private static Optional<String> firstChange(
            TreeMap<String, byte[]> before, TreeMap<String, byte[]> after) {
        for (String name : before.keySet()) {
            if (!after.containsKey(name)) {
                return Optional.of("at start Kafka removed " + name);
            }
            if (!Arrays.equals(before.get(name), after.get(name)) && !isPreallocated(name, after)) {
                return Optional.of("at start Kafka rewrote " + name);
            }
        }
        for (String name : after.keySet()) {
            if (!before.containsKey(name) && !name.endsWith(".snapshot")) {
                return Optional.of("at start Kafka created " + name);
            }
        }
        return Optional.empty();
    }

    // The indexes of the active segment are preallocated while the log is open.
    private static boolean isPreallocated(String name, TreeMap<String, byte[]> files) {
        String newest = files.keySet().stream().filter(file -> file.endsWith(".log"))
            .max(String::compareTo).orElse("");
        return name.endsWith("index") && name.substring(0, 20).equals(newest.substring(0, 20));
    }

    private static TreeMap<String, byte[]> contents(Path dir) throws IOException {
        TreeMap<String, byte[]> contents = new TreeMap<>();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(dir)) {
            for (Path file : files) {
                String name = file.getFileName().toString();
                // Kafka writes the leader epochs again at every start, on a thread of its own.
                if (Files.isRegularFile(file) && !name.startsWith("leader-epoch-checkpoint")) {
                    contents.put(name, Files.readAllBytes(file));
                }
            }
        }
        return contents;
    }

    private static long logBytes(Path dir) throws IOException {
        long bytes = 0;
        for (String name : Comparison.namesOf(dir, ".log")) {
            bytes += Files.size(dir.resolve(name));
        }
        return bytes;
    }
}

// What `compact --erase-keys`, `--compression` and `--segment-bytes` leave, against a compaction
// without them, both as Kafka reads them; and Kafka must take the output as it is.
package oracle;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Properties;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.common.record.FileLogInputStream.FileChannelRecordBatch;
import org.apache.kafka.common.record.FileRecords;
import org.apache.kafka.common.record.Record;
import org.apache.kafka.common.utils.Utils;

final class Rewriting {
    private static final int CASES = 4;
    private static final String[] COMPRESSIONS =
        {"none", "gzip:1", "gzip", "snappy", "lz4", "lz4:6", "zstd", "zstd:9", "zstd:-5"};

    // Data records and batches of magic 2 by offset, in words; the latter without their codecs.
    private record Content(TreeMap<Long, String> records, TreeMap<Long, String> batches,
                           TreeMap<Long, String> keys, TreeSet<String> codecs) { }

    private final String binary;
    private final Path source;
    private final long now;
    private final Random random;

    private Rewriting(String binary, Path source, long now, Random random) {
        this.binary = binary;
        this.source = source;
        this.now = now;
        this.random = random;
    }

    static Optional<String> complaint(
            String binary, Path source, Path work, long now, Random random) throws Exception {
        Rewriting rewriting = new Rewriting(binary, source, now, random);
        for (int number = 0; number < CASES; number++) {
            Optional<String> problem = rewriting.one(work.resolve("case-" + number));
            if (problem.isPresent()) {
                return problem;
            }
        }
        return Optional.empty();
    }

    private Optional<String> one(Path dir) throws Exception {
        Files.createDirectories(dir);
        Content before = read(source);
        boolean active = random.nextBoolean();
        List<String> options = new ArrayList<>();
        if (active) {
            options.add("--include-active");
        }
        if (random.nextInt(3) == 0) {
            options.addAll(List.of("--message-format", "keep"));
        }
        if (random.nextInt(5) == 0) {
            options.addAll(List.of("--cleanup-policy", "delete", "--retention-ms", "-1"));
        }
        Path plain = compact(source, dir.resolve("plain"), options, false);
        String codec = null;
        if (random.nextInt(4) != 0) {
            String compression = COMPRESSIONS[random.nextInt(COMPRESSIONS.length)];
            options.addAll(List.of("--compression", compression));
            codec = compression.split(":")[0];
        }
        if (random.nextBoolean()) {
            options.addAll(List.of("--segment-bytes", "" + (300 + random.nextInt(30_000))));
        }
        Set<String> erased = new HashSet<>();
        List<String> keys = new ArrayList<>(new TreeSet<>(before.keys.values()));
        for (int i = random.nextInt(4); i > 0 && !keys.isEmpty(); i--) {
            erased.add(keys.get(random.nextInt(keys.size())));
        }
        if (!erased.isEmpty()) {
            Path list = dir.resolve("keys");
            Files.write(list, erased.stream().map(key -> "base64:" + key).toList());
            options.addAll(List.of("--erase-keys", list.toString(), "--verify"));
        }
        boolean inPlace = random.nextBoolean();
        Path ours = compact(source, dir.resolve("ours"), options, inPlace);
        String said = options + (inPlace ? " in place: " : ": ");

        List<String> logs = Comparison.namesOf(source, ".log");
        long activeBase = Long.parseLong(logs.get(logs.size() - 1).substring(0, 20));
        long untouched = active ? Long.MAX_VALUE : activeBase;
        Set<Long> gone = new HashSet<>();
        before.keys.forEach((offset, key) -> {
            if (erased.contains(key) && offset < untouched) {
                gone.add(offset);
            }
        });
        Content wanted = read(plain);
        Content found = read(ours);
        wanted.records.keySet().removeAll(gone);
        Optional<String> problem = difference("records", wanted.records, found.records);
        if (problem.isEmpty() && erased.isEmpty() && codec == null) {
            problem = difference("batches", wanted.batches, found.batches);
        } else if (problem.isEmpty() && erased.isEmpty()) {
            // Others may have become magic 2.
            found.batches.keySet().retainAll(wanted.batches.keySet());
            problem = difference("batches", wanted.batches, found.batches);
        }
        if (problem.isEmpty() && codec != null && active) {
            found.codecs.remove(codec);
            problem = found.codecs.isEmpty() || options.contains("keep")
                ? Optional.empty() : Optional.of("codecs " + found.codecs);
        }
        if (problem.isEmpty()) {
            problem = consumed(plain, ours, gone, dir);
        }
        if (problem.isEmpty()) {
            problem = Loading.complaint(ours, dir.resolve("load"), now);
        }
        if (problem.isEmpty()
                && Campaign.run(List.of(binary, "verify", "--strict", ours.toString())) != 0) {
            problem = Optional.of("logcompact verify --strict complains");
        }
        if (problem.isEmpty()) {
            Campaign.removeIfThere(dir);
        }
        return problem.map(text -> said + text);
    }

    private Path compact(Path from, Path out, List<String> options, boolean inPlace)
            throws Exception {
        List<String> command = new ArrayList<>(List.of(binary, "compact", "--quiet",
            "--now", Long.toString(now)));
        command.addAll(options);
        Path result = out.resolve(from.getFileName());
        if (inPlace) {
            KafkaLog.copy(from, result);
            command.addAll(List.of("--in-place", "--force", result.toString()));
        } else {
            command.addAll(List.of("--out", out.toString(), from.toString()));
        }
        int status = new ProcessBuilder(command).inheritIO().start().waitFor();
        if (status != 0) {
            throw new IOException(command + " ended with status " + status);
        }
        return result;
    }

    // What a read_committed consumer is given, and where the log ends.
    private Optional<String> consumed(Path plain, Path ours, Set<Long> gone, Path dir)
            throws Exception {
        List<List<Long>> offsets = new ArrayList<>();
        List<Long> ends = new ArrayList<>();
        for (Path path : List.of(plain, ours)) {
            Path copy = dir.resolve("read-" + ends.size()).resolve(path.getFileName());
            KafkaLog.copy(path, copy);
            try (KafkaLog kafka = KafkaLog.open(copy, new Clock(now), true, new Properties())) {
                offsets.add(Committed.offsets(kafka.log, kafka.log.logStartOffset()));
                ends.add(kafka.log.logEndOffset());
                ends.add(kafka.log.lastStableOffset());
            }
        }
        if (!ends.subList(0, 2).equals(ends.subList(2, 4))) {
            return Optional.of("log end and last stable offset: " + ends);
        }
        List<Long> wanted = new ArrayList<>(offsets.get(0));
        wanted.removeAll(gone);
        return wanted.equals(offsets.get(1)) ? Optional.empty()
            : Optional.of("a consumer is given\n  " + offsets.get(1) + "\n  not " + wanted);
    }

    private static Content read(Path dir) throws IOException {
        Content content = new Content(
            new TreeMap<>(), new TreeMap<>(), new TreeMap<>(), new TreeSet<>());
        for (String name : Comparison.namesOf(dir, ".log")) {
            try (FileRecords records = FileRecords.open(dir.resolve(name).toFile(), false)) {
                for (FileChannelRecordBatch batch : records.batches()) {
                    batch.ensureValid();
                    String codec = batch.compressionType().name;
                    if (batch.magic() == 2) {
                        content.batches.put(batch.baseOffset(),
                            Comparison.describe(batch).replace(" " + codec + " ", " "));
                    }
                    if (batch.isControlBatch()) {
                        continue;
                    }
                    for (Record record : batch) {
                        content.codecs.add(codec);
                        content.records.put(record.offset(), Comparison.describe(record));
                        if (record.hasKey()) {
                            byte[] key = Utils.toNullableArray(record.key());
                            content.keys.put(
                                record.offset(), Base64.getEncoder().encodeToString(key));
                        }
                    }
                }
            }
        }
        return content;
    }

    private static Optional<String> difference(
            String what, TreeMap<Long, String> wanted, TreeMap<Long, String> found) {
        TreeSet<Long> all = new TreeSet<>(wanted.keySet());
        all.addAll(found.keySet());
        for (long offset : all) {
            String expected = wanted.get(offset);
            if (expected == null || !expected.equals(found.get(offset))) {
                return Optional.of(
                    what + "\n  wanted " + expected + "\n  ours   " + found.get(offset));
            }
        }
        return Optional.empty();
    }
}

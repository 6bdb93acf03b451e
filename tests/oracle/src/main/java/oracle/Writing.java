// `logcompact write` against Kafka: the records of Kafka's own line reader, in the partitions of
// Kafka's own partitioner, in the files that Kafka's own append leaves for the same batches.
package oracle;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Random;
import java.util.TreeMap;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.record.FileRecords;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.Record;
import org.apache.kafka.common.record.RecordBatch;
import org.apache.kafka.common.utils.Crc32C;
import org.apache.kafka.tools.LineMessageReader;

public final class Writing {
    private static final long FIRST_MS = 1_700_000_000_000L;
    private static final String[] WORDS = {
        "", "a", "key", "\u00e9\u4e2d", "NULL", "null", "1", "x=y", "user-17", "{\"a\": 1}", " "};
    private static final String[] MARKS = {"\t", "|", ",", ":", ";;", "=", "->"};
    private static final String[] ENDS = {"\n", "\n", "\n", "\r\n", "\r"};

    private final Random random;
    private final Path dir;
    private final String binary;
    private final int partitions;
    private final List<String> options = new ArrayList<>();
    private final Map<String, String> reader = new HashMap<>();
    private final Properties config = new Properties();
    private final boolean appendTime;
    private boolean isCompacted;
    private final List<List<String>> expected = new ArrayList<>();

    private Writing(long seed, Path dir, String binary) {
        this.random = new Random(seed);
        this.dir = dir;
        this.binary = binary;
        this.partitions = 1 + random.nextInt(4);
        this.appendTime = random.nextInt(6) == 0;
        chooseReader();
        chooseTopic();
        for (int i = 0; i < partitions; i++) {
            expected.add(new ArrayList<>());
        }
    }

    public static void main(String[] args) throws Exception {
        String[] seeds = args[0].split("\\.\\.");
        long first = Long.parseLong(seeds[0]);
        long last = seeds.length > 1 ? Long.parseLong(seeds[1]) : first;
        Path work = Files.createTempDirectory("logcompact-oracle");
        int failed = 0;
        for (long seed = first; seed <= last; seed++) {
            Writing writing = new Writing(seed, work.resolve("seed-" + seed), args[1]);
            Optional<String> problem = writing.problem();
            failed += problem.isPresent() ? 1 : 0;
            System.out.println(problem.isEmpty() ? "ok   seed " + seed
                : "FAIL seed " + seed + ": " + problem.get() + "\n     " + writing.options
                    + "\n     kept in " + writing.dir);
        }
        System.out.println((last - first + 1 - failed) + " passed, " + failed + " failed");
        System.exit(failed > 0 ? 1 : 0);
    }

    private void chooseReader() {
        reader.put("topic", "t");
        if (random.nextInt(4) > 0) {
            reader.put("parse.key", "true");
        }
        if (random.nextInt(3) == 0) {
            reader.put("parse.headers", random.nextBoolean() ? "TRUE" : " true ");
        }
        if (random.nextInt(2) == 0) {
            reader.put("key.separator", MARKS[random.nextInt(MARKS.length)]);
        }
        if (random.nextInt(3) == 0) {
            reader.put("headers.delimiter", MARKS[random.nextInt(MARKS.length)]);
        }
        if (random.nextInt(3) == 0) {
            // Kafka's is a regular expression; ours is not.
            reader.put("headers.separator", random.nextBoolean() ? ";;" : "=");
        }
        if (random.nextInt(3) == 0) {
            reader.put("headers.key.separator", MARKS[random.nextInt(MARKS.length)]);
        }
        if (random.nextInt(2) == 0) {
            reader.put("null.marker", random.nextBoolean() ? "NULL" : "");
        }
        if (random.nextInt(4) > 0) {
            reader.put("ignore.error", "true");
        }
        reader.forEach((name, value) -> options.addAll(List.of("--property", name + "=" + value)));
    }

    private void chooseTopic() {
        set("segment.bytes", 600 + random.nextInt(30_000));
        set("segment.ms", random.nextBoolean() ? 100 + random.nextInt(2000) : 604_800_000);
        set("index.interval.bytes", random.nextInt(2000));
        set("segment.index.bytes", 24 + random.nextInt(400));
        set("max.message.bytes", 400 + random.nextInt(20_000));
        isCompacted = random.nextInt(4) == 0;
        config.put("cleanup.policy", isCompacted ? "compact" : "delete");
        options.addAll(List.of("--cleanup-policy", config.getProperty("cleanup.policy")));
        if (appendTime) {
            config.put("message.timestamp.type", "LogAppendTime");
            options.addAll(List.of("--timestamp-type", "LogAppendTime"));
        }
        String[] codecs = {"none", "none", "gzip", "snappy", "lz4", "lz4:12", "zstd:7"};
        options.addAll(List.of("--compression", codecs[random.nextInt(codecs.length)]));
        options.addAll(List.of("--batch-size", "" + (100 + random.nextInt(4000))));
        if (random.nextInt(5) == 0) {
            options.addAll(List.of("--linger-ms", "0"));
        }
    }

    private void set(String name, int value) {
        // A broker has no segments below a megabyte, other than for tests.
        config.put(name.equals("segment.bytes") ? "internal.segment.bytes" : name, "" + value);
        options.addAll(List.of("--" + name.replace('.', '-'), "" + value));
    }

    private Optional<String> problem() throws Exception {
        Files.createDirectories(dir);
        long nowMs = FIRST_MS;
        TreeMap<Integer, Long> ends = new TreeMap<>();
        int rounds = 1 + random.nextInt(4);
        for (int round = 0; round < rounds; round++) {
            byte[] lines = lines();
            Files.write(dir.resolve("lines-" + round), lines);
            int status = write(round, nowMs);
            int wanted = readAsKafkaDoes(lines, nowMs);
            if (status != wanted) {
                return Optional.of("round " + round + ": status " + status + ", not " + wanted);
            }
            if (Files.notExists(dir.resolve("ours"))) {
                return Optional.empty(); // refused, by both
            }
            for (int partition = 0; partition < partitions; partition++) {
                ends.put(partition, appendAsKafkaDoes(
                    partition, ends.getOrDefault(partition, 0L), nowMs));
            }
            // Also backwards: clocks do that.
            nowMs += random.nextInt(3000) - 300;
        }
        for (int partition = 0; partition < partitions; partition++) {
            // Kafka removes the snapshots of earlier shutdowns when it starts.
            Path kafkas = dir.resolve("kafka").resolve("t-" + partition);
            KafkaLog.open(kafkas, new Clock(nowMs), true, config).close();
            Path ours = dir.resolve("ours").resolve("t-" + partition);
            Optional<String> problem = filesDiffer(kafkas, ours);
            if (problem.isEmpty()) {
                problem = Loading.complaint(ours, dir.resolve("load"), nowMs);
            }
            if (problem.isEmpty()) {
                problem = recoveredIndexesDiffer(ours, nowMs);
            }
            if (problem.isPresent()) {
                int number = partition;
                return problem.map(text -> "partition " + number + ": " + text);
            }
        }
        return recordsDiffer();
    }

    private byte[] lines() {
        StringBuilder text = new StringBuilder();
        int count = random.nextInt(400);
        for (int i = 0; i < count; i++) {
            boolean wellFormed = random.nextInt(20) > 0;
            if (wellFormed && reader.getOrDefault("parse.headers", "").trim().equalsIgnoreCase("true")) {
                int headers = random.nextInt(4);
                for (int h = 0; h < headers; h++) {
                    text.append(h > 0 ? reader.getOrDefault("headers.separator", ",") : "");
                    text.append("h").append(h);
                    text.append(reader.getOrDefault("headers.key.separator", ":")).append(word());
                }
                text.append(reader.getOrDefault("headers.delimiter", "\t"));
            }
            if (wellFormed && reader.containsKey("parse.key")) {
                text.append(word()).append(reader.getOrDefault("key.separator", "\t"));
            }
            text.append(word());
            if (random.nextInt(3) == 0) {
                text.append(MARKS[random.nextInt(MARKS.length)]).append(word());
            }
            if (random.nextInt(40) == 0) {
                text.append("long ".repeat(random.nextInt(300)));
            }
            text.append(i + 1 < count || random.nextBoolean()
                ? ENDS[random.nextInt(ENDS.length)] : "");
        }
        return text.toString().getBytes(StandardCharsets.UTF_8);
    }

    private String word() {
        return WORDS[random.nextInt(WORDS.length)];
    }

    private int write(int round, long nowMs) throws Exception {
        List<String> command = new ArrayList<>(List.of(binary, "write",
            dir.resolve("ours").toString(), "--topic", "t", "--now", "" + nowMs));
        if (round == 0) {
            command.addAll(List.of("--partitions", "" + partitions));
        }
        command.addAll(options);
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.redirectInput(dir.resolve("lines-" + round).toFile());
        builder.redirectError(dir.resolve("messages-" + round).toFile());
        return builder.start().waitFor();
    }

    // What Kafka's reader makes of the lines, up to the first that it, or the topic, does not take.
    private int readAsKafkaDoes(byte[] lines, long nowMs) {
        Iterator<ProducerRecord<byte[], byte[]>> records;
        try {
            LineMessageReader kafkas = new LineMessageReader();
            kafkas.configure(reader);
            records = kafkas.readRecords(new ByteArrayInputStream(lines));
        } catch (RuntimeException refused) {
            return 2;
        }
        int most = Math.min(Integer.parseInt(config.getProperty("max.message.bytes")),
            Integer.parseInt(config.getProperty("internal.segment.bytes")));
        while (true) {
            try {
                if (!records.hasNext()) {
                    return 0;
                }
                ProducerRecord<byte[], byte[]> record = records.next();
                Header[] headers = record.headers().toArray();
                MemoryRecords alone = MemoryRecords.withRecords(
                    org.apache.kafka.common.compress.Compression.NONE,
                    new org.apache.kafka.common.record.SimpleRecord(
                        nowMs, record.key(), record.value(), headers));
                if (alone.sizeInBytes() > most || isCompacted && record.key() == null) {
                    return 2;
                }
                int to = record.key() == null ? -1
                    : BuiltInPartitioner.partitionForKey(record.key(), partitions);
                String shown = show(nowMs, record.key(), record.value(), headers);
                if (to >= 0) {
                    expected.get(to).add(shown);
                } else {
                    anywhere.add(shown);
                }
            } catch (RuntimeException noRecord) {
                return 2;
            }
        }
    }

    private final List<String> anywhere = new ArrayList<>();

    private static String show(long timestamp, byte[] key, byte[] value, Header[] headers) {
        StringBuilder text = new StringBuilder();
        text.append(timestamp).append(' ').append(Arrays.toString(key));
        text.append(' ').append(Arrays.toString(value));
        for (Header header : headers) {
            text.append(' ').append(header.key()).append('=').append(Arrays.toString(header.value()));
        }
        return text.toString();
    }

    // Kafka appends our new batches one by one, as it would get them, and is stopped.
    private long appendAsKafkaDoes(int partition, long end, long nowMs) throws Exception {
        Path ours = dir.resolve("ours").resolve("t-" + partition);
        Path kafkas = dir.resolve("kafka").resolve("t-" + partition);
        Files.createDirectories(kafkas);
        Clock clock = new Clock(nowMs);
        try (KafkaLog kafka = KafkaLog.open(kafkas, clock, true, config)) {
            for (String name : Comparison.namesOf(ours, ".log")) {
                try (FileRecords records = FileRecords.open(ours.resolve(name).toFile())) {
                    for (RecordBatch batch : records.batches()) {
                        if (batch.baseOffset() < end) {
                            continue;
                        }
                        ByteBuffer bytes = ByteBuffer.allocate(batch.sizeInBytes());
                        batch.writeTo(bytes);
                        bytes.flip();
                        asSent(bytes);
                        kafka.log.appendAsLeader(MemoryRecords.readableRecords(bytes), 0);
                        end = batch.nextOffset();
                    }
                }
            }
        }
        return end;
    }

    // A producer does not know where a batch will be, nor of the broker's clock.
    private static void asSent(ByteBuffer batch) {
        batch.putLong(0, 0L);
        batch.putShort(21, (short) (batch.getShort(21) & ~8));
        batch.putInt(17, (int) Crc32C.compute(batch, 21, batch.limit() - 21));
    }

    private static Optional<String> filesDiffer(Path kafkas, Path ours) throws IOException {
        TreeMap<String, byte[]> theirs = contents(kafkas);
        TreeMap<String, byte[]> own = contents(ours);
        if (!theirs.keySet().equals(own.keySet())) {
            return Optional.of("files: Kafka's " + theirs.keySet() + ", ours " + own.keySet());
        }
        for (String name : theirs.keySet()) {
            if (!Arrays.equals(theirs.get(name), own.get(name))) {
                return Optional.of(name + " is not as Kafka's append leaves it");
            }
        }
        return Optional.empty();
    }

    // A full recovery builds all indexes anew.
    private Optional<String> recoveredIndexesDiffer(Path ours, long nowMs) throws IOException {
        Path copy = dir.resolve("recovered").resolve(ours.getFileName());
        KafkaLog.copy(ours, copy);
        // It wants more entries than a log has that was stopped now and then, and so counted the
        // interval anew; a full index ends Kafka's recovery.
        Properties roomy = new Properties();
        roomy.putAll(config);
        roomy.remove("segment.index.bytes");
        KafkaLog.open(copy, new Clock(nowMs), false, roomy).close();
        TreeMap<String, byte[]> theirs = contents(copy);
        for (Map.Entry<String, byte[]> own : contents(ours).entrySet()) {
            // Where a log was gone on with, the interval began anew in the middle of a segment.
            boolean isIndex = own.getKey().endsWith("index");
            boolean isClosedOnce = Files.notExists(dir.resolve("lines-1"));
            if (isIndex && isClosedOnce
                    && !Arrays.equals(own.getValue(), theirs.get(own.getKey()))) {
                return Optional.of(own.getKey() + " is not what recovery builds");
            }
        }
        return Optional.empty();
    }

    private static TreeMap<String, byte[]> contents(Path dir) throws IOException {
        TreeMap<String, byte[]> contents = new TreeMap<>();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(dir)) {
            for (Path file : files) {
                String name = file.getFileName().toString();
                // Kafka's topic has no id here, and it writes the epochs on a thread of its own.
                if (!name.equals("partition.metadata") && !name.endsWith(".tmp")) {
                    contents.put(name, Files.readAllBytes(file));
                }
            }
        }
        return contents;
    }

    private Optional<String> recordsDiffer() throws IOException {
        List<String> rest = new ArrayList<>();
        for (int partition = 0; partition < partitions; partition++) {
            Path ours = dir.resolve("ours").resolve("t-" + partition);
            List<String> keyed = new ArrayList<>();
            for (String name : Comparison.namesOf(ours, ".log")) {
                try (FileRecords records = FileRecords.open(ours.resolve(name).toFile())) {
                    for (RecordBatch batch : records.batches()) {
                        for (Record record : batch) {
                            String shown = show(record.timestamp(), bytes(record.key()),
                                bytes(record.value()), record.headers());
                            (record.hasKey() ? keyed : rest).add(shown);
                        }
                    }
                }
            }
            if (!keyed.equals(expected.get(partition))) {
                return Optional.of("the records with keys of partition " + partition + " differ");
            }
        }
        List<String> sortedRest = rest.stream().sorted().toList();
        if (!sortedRest.equals(anywhere.stream().sorted().toList())) {
            return Optional.of("the records without keys differ");
        }
        return Optional.empty();
    }

    private static byte[] bytes(ByteBuffer buffer) {
        if (buffer == null) {
            return null;
        }
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        return bytes;
    }
}

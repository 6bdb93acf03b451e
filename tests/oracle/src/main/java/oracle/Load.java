// A large directory for measuring: uniform records, one batch after the other into a single segment
// (up to segment.bytes), and a last record in the active one.
package oracle;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.UUID;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.record.CompressionType;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.MemoryRecordsBuilder;
import org.apache.kafka.common.record.TimestampType;

record Load(String name, CompressionType codec, int records, int keys, int valueBytes,
            int batchRecords, Keys drawn) {

    // How keys are drawn: evenly; by Zipf's law; as of orders, each written when it begins and now and
    // then until so many others have begun, in segments of a size at which there are many. Those that
    // are drawn evenly may be without a pattern: bytes, or the text of a UUID.
    enum Keys { EVEN, ZIPF, ORDERS, BYTES, UUIDS }

    static final String ORDERS_SEGMENT_BYTES = "67108864";
    private static final int ORDERS_AT_A_TIME = 60_000;

    private static final long FIRST_MS = 1_700_000_000_000L;
    private static final String LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789     {}\":,";

    // Where the directory of this load is kept.
    Path place(Path work) {
        return work.resolve(name.replaceAll("[^a-z0-9]+", "-") + "-" + records + "-0");
    }

    // Writes the directory, unless it is there already; gives the bytes of its logs.
    long write(Path dir) throws Exception {
        if (!Files.exists(dir.resolve("complete"))) {
            Files.createDirectories(dir);
            Properties topic = new Properties();
            if (drawn == Keys.ORDERS) {
                topic.setProperty("segment.bytes", ORDERS_SEGMENT_BYTES);
            }
            try (KafkaLog kafka = KafkaLog.open(dir, new Clock(FIRST_MS), true, topic)) {
                fill(kafka);
            }
            Files.createFile(dir.resolve("complete"));
        }
        long bytes = 0;
        for (String log : Comparison.namesOf(dir, ".log")) {
            bytes += Files.size(dir.resolve(log));
        }
        return bytes;
    }

    private void fill(KafkaLog kafka) throws Exception {
        Random random = new Random(1);
        byte[] text = new byte[1 << 20];
        for (int i = 0; i < text.length; i++) {
            text[i] = (byte) LETTERS.charAt(random.nextInt(LETTERS.length()));
        }
        ByteBuffer buffer = ByteBuffer.allocate(batchRecords * (valueBytes + 80) + 4096);
        byte[] value = new byte[valueBytes];
        for (int written = 0; written < records; ) {
            MemoryRecordsBuilder builder = builder(buffer);
            for (int i = 0; i < batchRecords && written < records; i++, written++) {
                int from = random.nextInt(text.length - valueBytes);
                System.arraycopy(text, from, value, 0, valueBytes);
                builder.append(FIRST_MS + written, key(random, written), value);
            }
            kafka.log.appendAsLeader(builder.build(), 0);
        }
        kafka.log.roll();
        MemoryRecordsBuilder last = builder(buffer);
        last.append(FIRST_MS + records, bytes("active"), bytes("x"));
        MemoryRecords batch = last.build();
        kafka.log.appendAsLeader(batch, 0);
        kafka.log.flush(true);
    }

    // As many keys as records: each is written once, and all survive.
    private byte[] key(Random random, int number) {
        long newest = number * 2L / 5;
        boolean begins = number % 5 % 3 == 0;
        long key = switch (drawn) {
            case ORDERS -> Math.max(0, newest - (begins ? 0 : random.nextInt(ORDERS_AT_A_TIME)));
            case ZIPF -> (long) Math.pow(keys, random.nextDouble());
            case EVEN, BYTES, UUIDS -> keys >= records ? number : random.nextInt(keys);
        };
        return switch (drawn) {
            case BYTES -> withoutPattern(key).array();
            case UUIDS -> {
                ByteBuffer drawn = withoutPattern(key);
                yield bytes(new UUID(drawn.getLong(), drawn.getLong()).toString());
            }
            default -> numbered(key);
        };
    }

    private static byte[] numbered(long key) {
        byte[] text = bytes("user-000000000000");
        for (int at = text.length - 1; key > 0; at--, key /= 10) {
            text[at] = (byte) ('0' + key % 10);
        }
        return text;
    }

    private static ByteBuffer withoutPattern(long key) {
        SplittableRandom random = new SplittableRandom(key);
        return ByteBuffer.allocate(16).putLong(random.nextLong()).putLong(random.nextLong()).flip();
    }

    private MemoryRecordsBuilder builder(ByteBuffer buffer) {
        buffer.clear();
        Compression compression = Compression.of(codec).build();
        return MemoryRecords.builder(buffer, compression, TimestampType.CREATE_TIME, 0L);
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}

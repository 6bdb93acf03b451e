// A random partition directory, the same for the same seed, written by Kafka's own log: all codecs,
// null and empty keys, tombstones, empty values, headers, idempotent and transactional producers
// with several epochs, commits and aborts, transactions over several segments, rolls.
package oracle;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Properties;
import java.util.Random;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.CompressionType;
import org.apache.kafka.common.record.ControlRecordType;
import org.apache.kafka.common.record.EndTransactionMarker;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.MemoryRecordsBuilder;
import org.apache.kafka.common.record.RecordBatch;
import org.apache.kafka.common.record.RecordVersion;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.storage.internals.log.AppendOrigin;
import org.apache.kafka.storage.internals.log.UnifiedLog;

final class RandomLog {
    private static final long FIRST_MS = 1_700_000_000_000L;
    private static final int PRODUCERS = 4;

    private final Shape shape;
    private final Random random;
    private final Clock clock = new Clock(FIRST_MS);
    private final int[] sequence = new int[2 * PRODUCERS];
    private final short[] producerEpoch = new short[2 * PRODUCERS];
    private final boolean[] inTransaction = new boolean[PRODUCERS];
    private long nowMs = FIRST_MS;
    private int leaderEpoch = 0;
    private UnifiedLog log;

    private RandomLog(Shape shape, long seed) {
        this.shape = shape;
        this.random = new Random(seed * 1_000_003 + shape.name().hashCode());
        for (int i = 0; i < sequence.length; i++) {
            // Sequences wrap behind 2^31-1, which a long-lived producer reaches.
            sequence[i] = shape.sequencesWrap() ? Integer.MAX_VALUE - random.nextInt(50) : 0;
        }
    }

    // Writes the directory and gives the last timestamp.
    static long write(Path dir, Shape shape, long seed) throws Exception {
        Properties config = new Properties();
        config.put("cleanup.policy", "delete"); // a compacted topic refuses records without a key
        if (shape.logAppendTime()) {
            config.put("message.timestamp.type", "LogAppendTime");
        }
        RandomLog maker = new RandomLog(shape, seed);
        java.nio.file.Files.createDirectories(dir);
        try (KafkaLog kafka = KafkaLog.open(dir, maker.clock, true, config)) {
            maker.log = kafka.log;
            for (int batch = 0; batch < shape.batches(); batch++) {
                maker.step(batch);
            }
            maker.endAll();
            kafka.log.updateHighWatermark(kafka.log.logEndOffset());
            kafka.log.flush(true);
        }
        return maker.nowMs;
    }

    private void step(int number) throws Exception {
        nowMs += random.nextInt(2000);
        clock.set(nowMs);
        if (random.nextInt(40) == 0) {
            leaderEpoch++;
        }
        int count = random.nextInt(10) == 0 ? 1 + random.nextInt(60) : 1 + random.nextInt(8);
        MemoryRecordsBuilder builder = builder(number, count);
        for (int i = 0; i < count; i++) {
            append(builder, number);
        }
        MemoryRecords records = builder.build();
        if (shape.magic() == 2) {
            log.appendAsLeader(records, leaderEpoch);
        } else {
            RecordVersion version = shape.magic() == 0 ? RecordVersion.V0 : RecordVersion.V1;
            log.appendAsLeaderWithRecordVersion(records, 0, version);
        }
        for (int producer = 0; producer < PRODUCERS; producer++) {
            boolean staysOpen = shape.openTransaction() && producer == 0;
            if (inTransaction[producer] && !staysOpen && random.nextInt(6) == 0) {
                end(producer, random.nextInt(3) != 0);
            }
        }
        log.updateHighWatermark(log.logEndOffset());
        if (random.nextInt(30) == 0) {
            log.roll();
        }
    }

    // Who writes this batch: nobody in particular, an idempotent producer, or a transactional one.
    private MemoryRecordsBuilder builder(int number, int count) {
        ByteBuffer buffer = ByteBuffer.allocate(1 << 20);
        Compression codec = codec();
        int kind = random.nextInt(10);
        int pick = shape.producersRetire()
            ? Math.min(PRODUCERS - 1, number * PRODUCERS / shape.batches())
            : random.nextInt(PRODUCERS);
        if (shape.magic() < 2) {
            return MemoryRecords.builder(buffer, shape.magic(), codec, TimestampType.CREATE_TIME, 0L);
        }
        if (kind >= 6) {
            return MemoryRecords.builder(buffer, (byte) 2, codec, TimestampType.CREATE_TIME, 0L,
                RecordBatch.NO_TIMESTAMP, leaderEpoch);
        }
        boolean transactional = kind >= 3 && shape.transactions();
        int producer = transactional ? pick : PRODUCERS + pick;
        if (transactional) {
            inTransaction[pick] = true;
        } else if (random.nextInt(60) == 0) {
            producerEpoch[producer]++;
            sequence[producer] = 0;
        }
        int first = sequence[producer];
        sequence[producer] = (int) (((long) first + count) & Integer.MAX_VALUE);
        return MemoryRecords.builder(buffer, (byte) 2, codec, TimestampType.CREATE_TIME, 0L,
            RecordBatch.NO_TIMESTAMP, 1000L + producer, producerEpoch[producer], first,
            transactional, leaderEpoch);
    }

    private void append(MemoryRecordsBuilder builder, int number) {
        byte[] key = key();
        byte[] value = value(number);
        long timestamp = nowMs - random.nextInt(5000);
        if (shape.magic() == 0) {
            builder.append(RecordBatch.NO_TIMESTAMP, key, value);
        } else if (shape.magic() == 2 && random.nextInt(5) == 0) {
            Header[] headers = new Header[1 + random.nextInt(3)];
            for (int h = 0; h < headers.length; h++) {
                byte[] content = random.nextInt(4) == 0 ? null : bytes("v" + random.nextInt(99));
                if (h == 0 && random.nextInt(4) != 0) {
                    content = ByteBuffer.allocate(8).putLong(random.nextInt(30) - 10).array();
                }
                headers[h] = new RecordHeader("h" + h, content);
            }
            builder.append(timestamp, key, value, headers);
        } else {
            builder.append(timestamp, key, value);
        }
    }

    private byte[] key() {
        if (shape.nullKeys() && random.nextInt(25) == 0) {
            return null;
        }
        switch (random.nextInt(100)) {
            case 0:
                return new byte[0];
            case 1:
                return new byte[] {0, 0, 0, 1}; // what a COMMIT marker has as its key
            default:
                double skewed = Math.pow(random.nextDouble(), 2);
                return bytes("k" + (int) (shape.keys() * skewed));
        }
    }

    private byte[] value(int number) {
        int kind = random.nextInt(12);
        if (kind == 0) {
            return null;
        }
        byte[] value = new byte[kind == 1 ? 0 : random.nextInt(random.nextInt(30) == 0 ? 3000 : 80)];
        random.nextBytes(value);
        if (random.nextBoolean()) {
            Arrays.fill(value, (byte) ('a' + number % 26));
        }
        return value;
    }

    private void end(int producer, boolean commit) throws Exception {
        ControlRecordType type = commit ? ControlRecordType.COMMIT : ControlRecordType.ABORT;
        if (log.logEndOffset() % 5 == 0) {
            // The coordinator may end a transaction with a newer epoch (KIP-890, fencing).
            producerEpoch[producer]++;
            sequence[producer] = 0;
        }
        // Coordinators change, as leaders do.
        MemoryRecords marker = MemoryRecords.withEndTransactionMarker(
            nowMs, 1000L + producer, producerEpoch[producer],
            new EndTransactionMarker(type, leaderEpoch));
        log.appendAsLeader(marker, leaderEpoch, AppendOrigin.COORDINATOR);
        inTransaction[producer] = false;
    }

    private void endAll() throws Exception {
        for (int producer = 0; producer < PRODUCERS; producer++) {
            if (inTransaction[producer] && !(shape.openTransaction() && producer == 0)) {
                end(producer, false);
            }
        }
    }

    private Compression codec() {
        CompressionType type = shape.codec();
        if (type == null) {
            CompressionType[] all = CompressionType.values();
            do {
                type = all[random.nextInt(all.length)];
            } while (shape.magic() < 2 && type == CompressionType.ZSTD);
        }
        return Compression.of(type).build();
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}

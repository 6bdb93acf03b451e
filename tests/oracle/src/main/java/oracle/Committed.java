// What a read_committed consumer is given of a partition from some offset on, and what it then knows:
// the latest value of each key, with its offset. It goes by the transaction index, as a broker does.
package oracle;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.TreeMap;
import java.util.Comparator;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.message.FetchResponseData.AbortedTransaction;
import org.apache.kafka.common.record.ControlRecordType;
import org.apache.kafka.common.record.Record;
import org.apache.kafka.common.record.RecordBatch;
import org.apache.kafka.server.storage.log.FetchIsolation;
import org.apache.kafka.storage.internals.log.FetchDataInfo;
import org.apache.kafka.storage.internals.log.UnifiedLog;

final class Committed {
    // A record with a key, and what strategies look at. Without a version: null.
    record Candidate(String key, long offset, long timestamp, boolean deletes, Long version) { }

    private final TreeMap<String, String> state = new TreeMap<>();
    private final List<Long> offsets = new ArrayList<>();
    private final List<Candidate> candidates = new ArrayList<>();
    private String versionHeader = "";

    private Committed() { }

    static TreeMap<String, String> of(UnifiedLog log) throws Exception {
        return from(log, log.logStartOffset()).state;
    }

    // The offsets of the records that it is given.
    static List<Long> offsets(UnifiedLog log, long start) throws Exception {
        return from(log, start).offsets;
    }

    // The records with a key, their versions in the header of that name.
    static List<Candidate> candidates(UnifiedLog log, String versionHeader) throws Exception {
        Committed committed = new Committed();
        committed.versionHeader = versionHeader;
        return read(committed, log, log.logStartOffset()).candidates;
    }

    private static Committed from(UnifiedLog log, long start) throws Exception {
        return read(new Committed(), log, start);
    }

    private static Committed read(Committed committed, UnifiedLog log, long start) throws Exception {
        log.updateHighWatermark(log.logEndOffset());
        long next = start;
        while (next < log.lastStableOffset()) {
            FetchDataInfo fetched = log.read(next, 1 << 20, FetchIsolation.TXN_COMMITTED, true);
            long reached = committed.take(fetched, next);
            if (reached <= next) {
                break;
            }
            next = reached;
        }
        return committed;
    }

    // As the consumer's Fetcher does: a producer is aborting from the first offset of one of its
    // aborted transactions until its marker.
    private long take(FetchDataInfo fetched, long from) {
        PriorityQueue<AbortedTransaction> coming =
            new PriorityQueue<>(Comparator.comparingLong(AbortedTransaction::firstOffset));
        fetched.abortedTransactions.ifPresent(coming::addAll);
        Set<Long> aborting = new HashSet<>();
        long next = from;
        for (RecordBatch batch : fetched.records.batches()) {
            while (!coming.isEmpty() && coming.peek().firstOffset() <= batch.lastOffset()) {
                aborting.add(coming.poll().producerId());
            }
            next = batch.nextOffset();
            if (batch.isControlBatch()) {
                for (Record record : batch) {
                    if (ControlRecordType.parse(record.key()) == ControlRecordType.ABORT) {
                        aborting.remove(batch.producerId());
                    }
                }
                continue;
            }
            if (batch.isTransactional() && aborting.contains(batch.producerId())) {
                continue;
            }
            for (Record record : batch) {
                if (record.offset() < from) {
                    continue;
                }
                offsets.add(record.offset());
                if (record.hasKey()) {
                    put(record);
                }
            }
        }
        return next;
    }

    private void put(Record record) {
        String key = text(record.key());
        Long version = null;
        for (Header header : record.headers()) {
            if (header.key().equals(versionHeader)) {
                byte[] bytes = header.value();
                version = bytes != null && bytes.length == 8 ? ByteBuffer.wrap(bytes).getLong() : null;
            }
        }
        candidates.add(new Candidate(
            key, record.offset(), record.timestamp(), !record.hasValue(), version));
        Optional<String> value = Optional.ofNullable(record.value()).map(Committed::text);
        if (value.isPresent()) {
            state.put(key, record.offset() + ":" + value.get());
        } else {
            state.remove(key);
        }
    }

    private static String text(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        return Base64.getEncoder().encodeToString(bytes);
    }
}

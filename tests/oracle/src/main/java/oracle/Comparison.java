// Two partition directories, batch by batch and record by record; the first difference in words.
package oracle;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.record.FileLogInputStream.FileChannelRecordBatch;
import org.apache.kafka.common.record.FileRecords;
import org.apache.kafka.common.record.Record;
import org.apache.kafka.common.utils.Utils;

final class Comparison {
    private Comparison() { }

    // Empty if segments, batches, records and transaction indexes are the same.
    static Optional<String> difference(Path kafkas, Path ours) throws IOException {
        List<String> names = namesOf(kafkas, ".log");
        List<String> ourNames = namesOf(ours, ".log");
        if (!names.equals(ourNames)) {
            return Optional.of("segments: Kafka's " + names + ", ours " + ourNames);
        }
        List<String> snapshots = namesOf(kafkas, ".snapshot");
        if (!snapshots.equals(namesOf(ours, ".snapshot"))) {
            return Optional.of(
                "snapshots: Kafka's " + snapshots + ", ours " + namesOf(ours, ".snapshot"));
        }
        if (!txnIndexes(kafkas).equals(txnIndexes(ours))) {
            return Optional.of("the transaction indexes differ");
        }
        for (String name : names) {
            Optional<String> found = inSegment(kafkas.resolve(name), ours.resolve(name));
            if (found.isPresent()) {
                return Optional.of(name + ": " + found.get());
            }
        }
        return Optional.empty();
    }

    private static Optional<String> inSegment(Path kafkas, Path ours) throws IOException {
        try (FileRecords left = FileRecords.open(kafkas.toFile(), false);
             FileRecords right = FileRecords.open(ours.toFile(), false)) {
            Iterator<FileChannelRecordBatch> batches = left.batches().iterator();
            Iterator<FileChannelRecordBatch> ourBatches = right.batches().iterator();
            while (batches.hasNext() && ourBatches.hasNext()) {
                FileChannelRecordBatch batch = batches.next();
                FileChannelRecordBatch ourBatch = ourBatches.next();
                ourBatch.ensureValid();
                String expected = describe(batch);
                String found = describe(ourBatch);
                if (!expected.equals(found)) {
                    return Optional.of("batch\n  Kafka's " + expected + "\n  ours    " + found);
                }
                Optional<String> inside = inBatch(batch, ourBatch);
                if (inside.isPresent()) {
                    return inside;
                }
            }
            if (batches.hasNext() || ourBatches.hasNext()) {
                String who = batches.hasNext() ? "Kafka" : "we";
                return Optional.of(who + " have more batches");
            }
            return Optional.empty();
        }
    }

    private static Optional<String> inBatch(Iterable<Record> kafkas, Iterable<Record> ours) {
        Iterator<Record> records = kafkas.iterator();
        Iterator<Record> ourRecords = ours.iterator();
        while (records.hasNext() && ourRecords.hasNext()) {
            String expected = describe(records.next());
            String found = describe(ourRecords.next());
            if (!expected.equals(found)) {
                return Optional.of("record\n  Kafka's " + expected + "\n  ours    " + found);
            }
        }
        boolean same = records.hasNext() == ourRecords.hasNext();
        return same ? Optional.empty() : Optional.of("the batch holds another number of records");
    }

    static String describe(FileChannelRecordBatch batch) {
        return "base " + batch.baseOffset() + " last " + batch.lastOffset()
            + " magic " + batch.magic() + " " + batch.compressionType().name
            + " " + batch.timestampType() + " max " + batch.maxTimestamp()
            + " producer " + batch.producerId() + " epoch " + batch.producerEpoch()
            + " sequence " + batch.baseSequence() + ".." + batch.lastSequence()
            + " leader epoch " + batch.partitionLeaderEpoch()
            + (batch.isTransactional() ? " transactional" : "")
            + (batch.isControlBatch() ? " control" : "")
            + " horizon " + (batch.magic() < 2 ? "-" : batch.deleteHorizonMs());
    }

    static String describe(Record record) {
        StringBuilder headers = new StringBuilder();
        for (Header header : record.headers()) {
            headers.append(' ').append(header.key()).append('=')
                .append(Arrays.toString(header.value()));
        }
        return "offset " + record.offset() + " timestamp " + record.timestamp()
            + " sequence " + record.sequence()
            + " key " + Arrays.toString(Utils.toNullableArray(record.key()))
            + " value " + Arrays.toString(Utils.toNullableArray(record.value()))
            + " headers" + headers;
    }

    // The bytes of each transaction index; one without entries is as good as none.
    private static TreeMap<String, List<Byte>> txnIndexes(Path dir) throws IOException {
        TreeMap<String, List<Byte>> indexes = new TreeMap<>();
        for (String name : namesOf(dir, ".txnindex")) {
            List<Byte> bytes = new ArrayList<>();
            for (byte b : Files.readAllBytes(dir.resolve(name))) {
                bytes.add(b);
            }
            if (!bytes.isEmpty()) {
                indexes.put(name, bytes);
            }
        }
        return indexes;
    }

    static List<String> namesOf(Path dir, String suffix) throws IOException {
        List<String> names = new ArrayList<>();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(dir, "*" + suffix)) {
            for (Path file : files) {
                names.add(file.getFileName().toString());
            }
        }
        names.sort(null);
        return names;
    }
}

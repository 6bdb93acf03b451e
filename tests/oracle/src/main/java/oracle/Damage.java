// Flips one byte where it hurts, and tells whether checksums hold.
package oracle;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import org.apache.kafka.common.record.FileLogInputStream.FileChannelRecordBatch;
import org.apache.kafka.common.record.FileRecords;
import org.apache.kafka.common.record.Record;

final class Damage {
    private Damage() { }

    // Flips a byte at the end of the value of a record that survives in `cleaned`, in a batch of
    // `source` of which other records do not.
    static void flipSurvivor(Path source, Path cleaned) throws IOException {
        Set<Long> survivors = new HashSet<>();
        for (String name : Comparison.namesOf(cleaned, ".log")) {
            try (FileRecords records = FileRecords.open(cleaned.resolve(name).toFile(), false)) {
                records.records().forEach(record -> survivors.add(record.offset()));
            }
        }
        for (String name : Comparison.namesOf(source, ".log")) {
            Path path = source.resolve(name);
            try (FileRecords records = FileRecords.open(path.toFile(), false)) {
                for (FileChannelRecordBatch batch : records.batches()) {
                    if (flip(path, batch, survivors)) {
                        return;
                    }
                }
            }
        }
        throw new IllegalStateException("no batch is rebuilt");
    }

    // The last record of an uncompressed batch without headers ends with its value and a zero.
    private static boolean flip(Path path, FileChannelRecordBatch batch, Set<Long> survivors)
            throws IOException {
        Record last = null;
        boolean loses = false;
        for (Record record : batch) {
            loses |= !survivors.contains(record.offset());
            last = record;
        }
        boolean fits = last != null && loses && !batch.isControlBatch()
            && survivors.contains(last.offset()) && last.valueSize() > 4
            && last.headers().length == 0;
        if (!fits) {
            return false;
        }
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            long at = batch.position() + batch.sizeInBytes() - 3L;
            file.seek(at);
            int value = file.read();
            file.seek(at);
            file.write(value ^ 1);
        }
        return true;
    }

    static boolean allValid(Path dir) throws IOException {
        for (String name : Comparison.namesOf(dir, ".log")) {
            try (FileRecords records = FileRecords.open(dir.resolve(name).toFile(), false)) {
                for (FileChannelRecordBatch batch : records.batches()) {
                    if (!batch.isValid()) {
                        return false;
                    }
                }
            }
        }
        return true;
    }
}

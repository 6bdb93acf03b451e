// What kind of directory a random one is.
package oracle;

import java.util.List;
import org.apache.kafka.common.record.CompressionType;

record Shape(String name, byte magic, CompressionType codec, int batches, int keys,
             boolean transactions, boolean openTransaction, boolean nullKeys,
             boolean producersRetire, boolean logAppendTime, boolean sequencesWrap) {

    private static Shape plain(String name) {
        return new Shape(name, (byte) 2, null, 400, 60, true, false, true, false, false, false);
    }

    private Shape magic(int magic) {
        return new Shape(name, (byte) magic, codec, batches, keys, transactions, openTransaction,
            nullKeys, producersRetire, logAppendTime, sequencesWrap);
    }

    private Shape codec(CompressionType codec) {
        return new Shape(name, magic, codec, batches, keys, transactions, openTransaction,
            nullKeys, producersRetire, logAppendTime, sequencesWrap);
    }

    private Shape size(int batches, int keys) {
        return new Shape(name, magic, codec, batches, keys, transactions, openTransaction,
            nullKeys, producersRetire, logAppendTime, sequencesWrap);
    }

    Shape transactions(boolean some, boolean open) {
        return new Shape(name, magic, codec, batches, keys, some, open,
            nullKeys, producersRetire, logAppendTime, sequencesWrap);
    }

    private Shape nullKeys(boolean some) {
        return new Shape(name, magic, codec, batches, keys, transactions, openTransaction,
            some, producersRetire, logAppendTime, sequencesWrap);
    }

    private Shape producersThatRetire() {
        return new Shape(name, magic, codec, batches, keys, transactions, openTransaction,
            nullKeys, true, logAppendTime, sequencesWrap);
    }

    private Shape stampedByTheLog() {
        return new Shape(name, magic, codec, batches, keys, transactions, openTransaction,
            nullKeys, producersRetire, true, sequencesWrap);
    }

    private Shape wrappingSequences() {
        return new Shape(name, magic, codec, batches, keys, transactions, openTransaction,
            nullKeys, producersRetire, logAppendTime, true);
    }

    static List<Shape> all() {
        return List.of(
            plain("mixed"),
            plain("magic-0").magic(0),
            plain("magic-1").magic(1),
            plain("magic-1-keys").magic(1).nullKeys(false),
            plain("none").codec(CompressionType.NONE),
            plain("gzip").codec(CompressionType.GZIP),
            plain("snappy").codec(CompressionType.SNAPPY),
            plain("lz4").codec(CompressionType.LZ4),
            plain("zstd").codec(CompressionType.ZSTD),
            plain("magic-0-lz4").magic(0).codec(CompressionType.LZ4),
            plain("no-transactions").transactions(false, false),
            plain("open-transaction").transactions(true, true),
            plain("retire").producersThatRetire(),
            plain("retire-long").producersThatRetire().size(900, 200),
            plain("log-append-time").stampedByTheLog(),
            plain("wrapping-sequences").wrappingSequences().producersThatRetire(),
            plain("long").size(1500, 400));
    }
}

// logcompact against Kafka's own cleaner and dump tool on the same directories, in turns, in one run:
// medians of the times, and the ratio with its spread. Kafka's time is that of one call, with the JVM
// long warm, and once more in a JVM of its own; ours is the whole process, everything synced: into a
// folder of its own, and in place. The disk is at rest when a clock starts.
package oracle;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import org.apache.kafka.common.record.CompressionType;

public final class Bench {
    private static final int PARTITIONS = 8;
    private static final String ALL = "none, all survive";
    private static final String MEMORY = "memory a distinct key";

    private final Contestants contestants;
    private final Path work;
    private final int turns;
    private final int records;
    private final Predicate<String> wanted;

    private Bench(String[] args) {
        this.work = Path.of(args[1]);
        this.contestants = new Contestants(args[0], work);
        this.turns = Integer.parseInt(args[2]);
        this.records = Integer.parseInt(args[3]);
        this.wanted = Pattern.compile(args[4]).asPredicate();
    }

    public static void main(String[] args) throws Exception {
        Bench bench = new Bench(args);
        if (bench.names().stream().noneMatch(bench.wanted)) {
            System.err.println("no case is called so; there are: " + String.join(" | ", bench.names()));
            System.exit(2);
        }
        bench.cleaning();
        bench.looking();
        bench.remembering();
        System.exit(0);
    }

    private List<String> names() {
        List<String> names = new ArrayList<>();
        loads().forEach(load -> names.add(load.name()));
        names.addAll(List.of(several(), MEMORY));
        return names;
    }

    private static String several() {
        return PARTITIONS + " partitions, two cleaner threads";
    }

    private List<Load> loads() {
        int few = records / 12;
        return List.of(
            new Load("none", CompressionType.NONE, records, few, 120, 200, false),
            new Load("lz4", CompressionType.LZ4, records, few, 120, 200, false),
            new Load("zstd", CompressionType.ZSTD, records, few, 120, 200, false),
            new Load("snappy", CompressionType.SNAPPY, records, few, 120, 200, false),
            new Load("gzip", CompressionType.GZIP, records / 4, few / 4, 120, 200, false),
            new Load("none, zipf keys", CompressionType.NONE, records, few, 120, 200, true),
            new Load(ALL, CompressionType.NONE, records / 2, records, 120, 200, false),
            new Load("none, 1 in 100 survives", CompressionType.NONE, records, records / 100, 120,
                200, false),
            new Load("none, a record a batch", CompressionType.NONE, records / 4, few / 4, 120, 1,
                false),
            new Load("none, 5,000 records a batch", CompressionType.NONE, records, few, 120, 5000,
                false),
            new Load("none, 10 KB values", CompressionType.NONE, records / 100, few / 100, 10_000,
                20, false),
            new Load("none, 10 B values", CompressionType.NONE, records, few, 10, 500, false));
    }

    private void cleaning() throws Exception {
        System.out.println("| compact | MiB | Kafka's cleaner | logcompact | ratio | worst..best "
            + "| in a fresh JVM | ratio | logcompact in place | ratio | one thread | CRC only | cp | cp, synced |");
        System.out.println("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
        for (Load load : loads()) {
            if (wanted.test(load.name())) {
                Path source = load.place(work);
                clean(load.name(), load.write(source), List.of(source), source);
            }
        }
        if (wanted.test(several())) {
            Load part = new Load("part", CompressionType.NONE, records / PARTITIONS,
                records / 12 / PARTITIONS, 120, 200, false);
            Path dir = work.resolve("partitions-" + records);
            List<Path> sources = new ArrayList<>();
            long bytes = 0;
            for (int number = 0; number < PARTITIONS; number++) {
                sources.add(dir.resolve("part-" + number));
                bytes += part.write(sources.get(number));
            }
            clean(several(), bytes, sources, dir);
        }
    }

    private void clean(String name, long bytes, List<Path> partitions, Path source)
            throws Exception {
        int threads = Math.min(2, partitions.size());
        double[][] seconds = new double[8][turns];
        for (int turn = -1; turn < turns; turn++) { // the first turn warms caches and the JVM
            double[] here = {
                contestants.kafkaCleans(partitions, threads),
                contestants.logcompactCleans(source),
                contestants.logcompactCleans(source, "--threads", "1"),
                contestants.checksums(partitions),
                contestants.copies(source),
                contestants.freshKafkaCleans(partitions, threads),
                contestants.logcompactCleansInPlace(source),
                contestants.copiesAndSyncs(source),
            };
            for (int who = 0; who < here.length && turn >= 0; who++) {
                seconds[who][turn] = here[who];
            }
        }
        double ours = median(seconds[1]);
        double fresh = median(seconds[5]);
        double inPlace = median(seconds[6]);
        System.out.printf("| %s | %d | %s | %.2f s | **%.1f** | %.2f s | **%.1f** | %.2f s | %.2f s "
                + "| %.2f s | %.2f s |%n",
            name, bytes >> 20, versus(seconds[0], seconds[1]), fresh, fresh / ours, inPlace,
            median(seconds[0]) / inPlace, median(seconds[2]), median(seconds[3]),
            median(seconds[4]), median(seconds[7]));
        System.out.flush();
    }

    // What the peak rises by where as many records have more keys.
    private void remembering() throws Exception {
        if (!wanted.test(MEMORY)) {
            return;
        }
        Load few = loads().get(0);
        Load many = new Load("none, many keys", CompressionType.NONE, records, records - 1, 120, 200,
            false);
        long[] peakBytes = new long[2];
        long[] keys = new long[2];
        for (Load load : List.of(few, many)) {
            int which = load == few ? 0 : 1;
            Path source = load.place(work);
            load.write(source);
            contestants.logcompactCleans(source, "--keep-rounds", "0");
            peakBytes[which] = contestants.reported("peak_memory_bytes");
            keys[which] = contestants.reported("records_kept");
        }
        System.out.println();
        System.out.printf("%s: %.1f bytes (at the peak %d MB with %d keys, %d MB with %d)%n", MEMORY,
            (double) (peakBytes[1] - peakBytes[0]) / (keys[1] - keys[0]), peakBytes[0] / 1_000_000,
            keys[0], peakBytes[1] / 1_000_000, keys[1]);
    }

    private void looking() throws Exception {
        System.out.println();
        System.out.println(
            "| against `kafka-dump-log` | MiB | Kafka | logcompact | ratio | worst..best |");
        System.out.println("|---|---|---|---|---|---|");
        for (Load load : loads()) {
            boolean looked = load.name().equals("none") || load.name().equals("zstd");
            if (!looked || !wanted.test(load.name())) {
                continue;
            }
            Path source = load.place(work);
            long mebibytes = load.write(source) >> 20;
            double[][] seconds = new double[4][turns];
            for (int turn = 0; turn < turns; turn++) {
                seconds[0][turn] = contestants.kafkaDumps(source, "--print-data-log");
                seconds[1][turn] = contestants.logcompactReads("dump", source, "--format", "json");
                seconds[2][turn] = contestants.kafkaDumps(source, "--deep-iteration");
                seconds[3][turn] = contestants.logcompactReads("verify", source);
            }
            System.out.printf("| dump --format json, %s, against --print-data-log | %d | %s |%n",
                load.name(), mebibytes, versus(seconds[0], seconds[1]));
            System.out.printf("| verify, %s, against --deep-iteration | %d | %s |%n",
                load.name(), mebibytes, versus(seconds[2], seconds[3]));
            System.out.flush();
        }
    }

    // Both medians, their ratio, and the worst and the best ratio of a turn.
    private static String versus(double[] kafka, double[] ours) {
        double[] ratios = new double[ours.length];
        for (int turn = 0; turn < ours.length; turn++) {
            ratios[turn] = kafka[turn] / ours[turn];
        }
        Arrays.sort(ratios);
        return String.format("%.2f s | %.2f s | **%.1f** | %.1f..%.1f", median(kafka),
            median(ours), median(kafka) / median(ours), ratios[0], ratios[ratios.length - 1]);
    }

    private static double median(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        int middle = sorted.length / 2;
        boolean odd = sorted.length % 2 == 1;
        return odd ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}

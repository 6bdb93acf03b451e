// logcompact against Kafka's own cleaner on the same directories, in turns, in one run: medians of
// the times, and the ratio with its spread. Kafka's time is that of its cleaner's one call, with the
// JVM long warm; ours is the whole process, from start to end, everything synced.
package oracle;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.apache.kafka.common.record.CompressionType;

public final class Bench {
    private static final long NOW_MS = 1_795_300_000_000L;

    private Bench() { }

    public static void main(String[] args) throws Exception {
        String binary = args[0];
        Path work = Path.of(args[1]);
        int turns = Integer.parseInt(args[2]);
        int records = Integer.parseInt(args[3]);
        System.out.println("| case | MiB | Kafka's cleaner | logcompact | ratio | worst..best | cp |");
        System.out.println("|---|---|---|---|---|---|---|");
        for (Load load : cases(records)) {
            run(load, binary, work, turns);
        }
        System.exit(0);
    }

    private static List<Load> cases(int records) {
        int few = records / 12;
        return List.of(
            new Load("none", CompressionType.NONE, records, few, 120, 200, false),
            new Load("lz4", CompressionType.LZ4, records, few, 120, 200, false),
            new Load("zstd", CompressionType.ZSTD, records, few, 120, 200, false),
            new Load("snappy", CompressionType.SNAPPY, records, few, 120, 200, false),
            new Load("gzip", CompressionType.GZIP, records / 4, few / 4, 120, 200, false),
            new Load("none, zipf keys", CompressionType.NONE, records, few, 120, 200, true),
            new Load("none, all survive", CompressionType.NONE, records / 2, records, 120, 200, false),
            new Load("none, 1 in 100 survives", CompressionType.NONE, records, records / 100, 120,
                200, false),
            new Load("none, a record a batch", CompressionType.NONE, records / 4, few / 4, 120, 1,
                false),
            new Load("none, 10 KB values", CompressionType.NONE, records / 100, few / 100, 10_000,
                20, false),
            new Load("none, 10 B values", CompressionType.NONE, records, few, 10, 500, false));
    }

    private static void run(Load load, String binary, Path work, int turns) throws Exception {
        String name = load.name().replaceAll("[^a-z0-9]+", "-") + "-" + load.records() + "-0";
        Path source = work.resolve(name);
        long bytes = load.write(source);
        double[] kafka = new double[turns];
        double[] ours = new double[turns];
        double[] copy = new double[turns];
        for (int turn = -1; turn < turns; turn++) { // the first turn warms caches and the JVM
            double kafkaSeconds = kafka(source, work.resolve("kafka"));
            double ourSeconds = ours(binary, source, work.resolve("logcompact"));
            double copySeconds = copy(source, work.resolve("copy"));
            if (turn >= 0) {
                kafka[turn] = kafkaSeconds;
                ours[turn] = ourSeconds;
                copy[turn] = copySeconds;
            }
        }
        double[] ratios = new double[turns];
        for (int turn = 0; turn < turns; turn++) {
            ratios[turn] = kafka[turn] / ours[turn];
        }
        Arrays.sort(ratios);
        System.out.printf("| %s | %d | %.2f s | %.2f s | **%.1f** | %.1f..%.1f | %.2f s |%n",
            load.name(), bytes >> 20, median(kafka), median(ours), median(kafka) / median(ours),
            ratios[0], ratios[turns - 1], median(copy));
        System.out.flush();
    }

    private static double kafka(Path source, Path out) throws Exception {
        remove(out);
        return KafkaCleaner.clean(source, out.resolve(source.getFileName()), NOW_MS, false);
    }

    private static double ours(String binary, Path source, Path out) throws Exception {
        remove(out);
        return seconds(binary, "compact", source.toString(), "--quiet", "--now",
            Long.toString(NOW_MS), "--out", out.toString());
    }

    private static double copy(Path source, Path out) throws Exception {
        remove(out);
        return seconds("cp", "-r", source.toString(), out.toString());
    }

    private static double seconds(String... command) throws Exception {
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.DISCARD);
        long start = System.nanoTime();
        int status = builder.start().waitFor();
        double seconds = (System.nanoTime() - start) / 1e9;
        if (status != 0) {
            throw new IllegalStateException(String.join(" ", command) + " ended with " + status);
        }
        return seconds;
    }

    private static double median(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        int middle = sorted.length / 2;
        boolean odd = sorted.length % 2 == 1;
        return odd ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    private static void remove(Path dir) throws IOException {
        if (!Files.exists(dir)) {
            return;
        }
        try (Stream<Path> files = Files.walk(dir)) {
            for (Path file : (Iterable<Path>) files.sorted(Comparator.reverseOrder())::iterator) {
                Files.delete(file);
            }
        }
    }
}

// logcompact against Kafka's own cleaner and dump tool on the same directories, in turns, in one run:
// medians of the times, and the ratio with its spread. Kafka's time is that of one call, with the JVM
// long warm, and once more in a JVM of its own; ours is the whole process, everything synced: into a
// folder of its own, in place with the old segments left as Kafka leaves them, which does not count
// what becomes of them a minute later, and in place. The disk is at rest when a clock starts.
package oracle;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import org.apache.kafka.common.record.CompressionType;

public final class Bench {
    private static final int PARTITIONS = 8;
    private static final String ALL = "none, all survive";
    private static final String MEMORY = "memory a distinct key";
    private static final String BEYOND_MEMORY = "a hundred million keys";
    private static final String STRATEGIES = "other strategies";
    private static final String ROUNDS = "a round over the newest 1 %";

    // Who takes part in a case of compaction, in the order of the columns.
    private enum Who {
        KAFKA("Kafka's cleaner"),
        FRESH_KAFKA("in a fresh JVM"),
        FOLDER("into a folder"),
        ONE_THREAD("one thread"),
        LEFT("in place, old segments left"),
        IN_PLACE("in place"),
        CHECKSUMS("CRC only"),
        COPY("cp"),
        SYNCED_COPY("cp, synced");

        private final String title;

        Who(String title) {
            this.title = title;
        }
    }

    // Seconds of each contestant in each turn of a case.
    private record Times(String name, long bytes, double[][] seconds) {
        private double[] of(Who who) {
            return seconds[who.ordinal()];
        }

        private String medians() {
            StringBuilder line = new StringBuilder("| " + name + " | " + (bytes >> 20) + " |");
            for (Who who : Who.values()) {
                line.append(String.format(" %.2f s |", median(of(who))));
            }
            return line.toString();
        }

        // How many times as long `who` takes as `other`, with its spread.
        private String times(Who who, Who other) {
            return ratio(of(who), of(other));
        }
    }

    // What is printed of all cases: how many times as long one takes as another.
    private record Ratio(String title, Who who, Who other) { }

    // Does its work once, and says how many seconds that took.
    private interface Contestant {
        double takes() throws Exception;
    }

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
        bench.choosing();
        bench.goingOn();
        bench.remembering();
        bench.beyondMemory();
        System.exit(0);
    }

    private List<String> names() {
        List<String> names = new ArrayList<>();
        loads().forEach(load -> names.add(load.name()));
        names.addAll(List.of(several(), STRATEGIES, ROUNDS, MEMORY, BEYOND_MEMORY));
        return names;
    }

    private static String several() {
        return PARTITIONS + " partitions, two cleaner threads";
    }

    private List<Load> loads() {
        int few = records / 12;
        return List.of(
            new Load("none", CompressionType.NONE, records, few, 120, 200, Load.Keys.EVEN),
            new Load("lz4", CompressionType.LZ4, records, few, 120, 200, Load.Keys.EVEN),
            new Load("zstd", CompressionType.ZSTD, records, few, 120, 200, Load.Keys.EVEN),
            new Load("snappy", CompressionType.SNAPPY, records, few, 120, 200, Load.Keys.EVEN),
            new Load("gzip", CompressionType.GZIP, records / 4, few / 4, 120, 200, Load.Keys.EVEN),
            new Load("none, zipf keys", CompressionType.NONE, records, few, 120, 200, Load.Keys.ZIPF),
            new Load(ALL, CompressionType.NONE, records / 2, records, 120, 200, Load.Keys.EVEN),
            new Load("none, 1 in 100 survives", CompressionType.NONE, records, records / 100, 120,
                200, Load.Keys.EVEN),
            new Load("none, a record a batch", CompressionType.NONE, records / 4, few / 4, 120, 1,
                Load.Keys.EVEN),
            new Load("none, 5,000 records a batch", CompressionType.NONE, records, few, 120, 5000,
                Load.Keys.EVEN),
            new Load("none, 10 KB values", CompressionType.NONE, records / 100, few / 100, 10_000,
                20, Load.Keys.EVEN),
            new Load("none, 10 B values", CompressionType.NONE, records, few, 10, 500, Load.Keys.EVEN));
    }

    private void cleaning() throws Exception {
        if (loads().stream().map(Load::name).noneMatch(wanted) && !wanted.test(several())) {
            return;
        }
        List<String> titles = Arrays.stream(Who.values()).map(who -> who.title).toList();
        head("compact | MiB", titles);
        List<Times> all = new ArrayList<>();
        for (Load load : loads()) {
            if (wanted.test(load.name())) {
                Path source = load.place(work);
                all.add(clean(load.name(), load.write(source), List.of(source), source));
            }
        }
        if (wanted.test(several())) {
            Load part = new Load("part", CompressionType.NONE, records / PARTITIONS,
                records / 12 / PARTITIONS, 120, 200, Load.Keys.EVEN);
            Path dir = work.resolve("partitions-" + records);
            List<Path> sources = new ArrayList<>();
            long bytes = 0;
            for (int number = 0; number < PARTITIONS; number++) {
                sources.add(dir.resolve("part-" + number));
                bytes += part.write(sources.get(number));
            }
            all.add(clean(several(), bytes, sources, dir));
        }
        List<Ratio> faster = new ArrayList<>();
        List<Ratio> longer = new ArrayList<>();
        for (Who our : List.of(Who.FOLDER, Who.LEFT, Who.IN_PLACE)) {
            faster.add(new Ratio(our.title, Who.KAFKA, our));
            faster.add(new Ratio(our.title + ", fresh JVM", Who.FRESH_KAFKA, our));
            longer.add(new Ratio(our.title + ": cp", our, Who.COPY));
            longer.add(new Ratio(our.title + ": CRC only", our, Who.CHECKSUMS));
        }
        longer.add(new Ratio("into a folder: cp, synced", Who.FOLDER, Who.SYNCED_COPY));
        longer.add(new Ratio("one thread: two", Who.ONE_THREAD, Who.FOLDER));
        compare("compact, times as fast as Kafka's cleaner", all, faster);
        compare("compact, times as long as", all, longer);
    }

    private static void head(String first, List<String> titles) {
        System.out.println("| " + first + " | " + String.join(" | ", titles) + " |");
        System.out.println("|---".repeat(first.split("\\|").length + titles.size()) + "|");
    }

    private static void compare(String first, List<Times> all, List<Ratio> ratios) {
        System.out.println();
        head(first, ratios.stream().map(Ratio::title).toList());
        for (Times times : all) {
            StringBuilder line = new StringBuilder("| " + times.name() + " |");
            ratios.forEach(it -> line.append(' ').append(times.times(it.who(), it.other())).append(" |"));
            System.out.println(line);
        }
        System.out.flush();
    }

    private Times clean(String name, long bytes, List<Path> partitions, Path source)
            throws Exception {
        int threads = Math.min(2, partitions.size());
        List<Contestant> contest = new ArrayList<>();
        for (Who who : Who.values()) {
            contest.add(switch (who) {
                case KAFKA -> () -> contestants.kafkaCleans(partitions, threads);
                case FRESH_KAFKA -> () -> contestants.freshKafkaCleans(partitions, threads);
                case FOLDER -> () -> contestants.logcompactCleans(source);
                case ONE_THREAD -> () -> contestants.logcompactCleans(source, "--threads", "1");
                case LEFT -> () ->
                    contestants.logcompactCleansInPlace(source, "--leave-deleted");
                case IN_PLACE -> () -> contestants.logcompactCleansInPlace(source);
                case CHECKSUMS -> () -> contestants.checksums(partitions);
                case COPY -> () -> contestants.copies(source);
                case SYNCED_COPY -> () -> contestants.copiesAndSyncs(source);
            });
        }
        Times times = new Times(name, bytes, inTurns(contest));
        System.out.println(times.medians());
        System.out.flush();
        return times;
    }

    // Seconds of each contestant in each turn. What one turn more in front of them took does not
    // count: it warms caches and the JVM.
    private double[][] inTurns(List<Contestant> contest) throws Exception {
        double[][] seconds = new double[contest.size()][turns];
        for (int turn = -1; turn < turns; turn++) {
            for (int who = 0; who < contest.size(); who++) {
                double here = contest.get(who).takes();
                if (turn >= 0) {
                    seconds[who][turn] = here;
                }
            }
        }
        return seconds;
    }

    // Strategies side by side, without the state of rounds.
    private void choosing() throws Exception {
        if (!wanted.test(STRATEGIES)) {
            return;
        }
        List<String> strategies = List.of("offset", "timestamp", "header:version", "first");
        System.out.println();
        System.out.println("| --strategy, times as long as offset | offset | "
            + String.join(" | ", strategies.subList(1, strategies.size())) + " |");
        System.out.println("|---|---|---|---|---|");
        for (Load load : loads()) {
            if (!List.of("none", "zstd", ALL).contains(load.name())) {
                continue;
            }
            Path source = load.place(work);
            load.write(source);
            List<Contestant> contest = new ArrayList<>();
            for (String strategy : strategies) {
                contest.add(() -> contestants.logcompactCleans(source, "--keep-rounds", "0",
                    "--strategy", strategy));
            }
            double[][] seconds = inTurns(contest);
            System.out.printf("| %s | %.2f s | %s | %s | %s |%n", load.name(), median(seconds[0]),
                ratio(seconds[1], seconds[0]), ratio(seconds[2], seconds[0]),
                ratio(seconds[3], seconds[0]));
            System.out.flush();
        }
    }

    // A second round over the newest hundredth, against a compaction of all.
    private void goingOn() throws Exception {
        if (!wanted.test(ROUNDS)) {
            return;
        }
        System.out.println();
        System.out.println("| a round over the newest 1 % | MiB | all of it | the round | share | best..worst "
            + "| nothing written anew | share | best..worst |");
        System.out.println("|---|---|---|---|---|---|---|---|---|");
        for (Load load : List.of(loads().get(0), manyKeys(records), manyKeys(2 * records),
                orders(2 * records), orders(4 * records), orders(8 * records))) {
            Path source = load.place(work);
            long mebibytes = load.write(source) >> 20;
            String behind = Long.toString(load.records() / 100L * 99 - 1);
            String[] cut = load.drawn() == Load.Keys.ORDERS
                ? new String[] {"--segment-bytes", Load.ORDERS_SEGMENT_BYTES} : new String[0];
            double[][] seconds = inTurns(List.of(
                () -> contestants.logcompactCleans(source, cut),
                () -> contestants.logcompactGoesOn(source, behind, 0, cut),
                () -> contestants.logcompactGoesOn(source, behind, 0.5, cut)));
            System.out.printf("| %s | %d | %.2f s | %.3f s | %s | %.3f s | %s |%n", load.name(),
                mebibytes, median(seconds[0]), median(seconds[1]), share(seconds[1], seconds[0]),
                median(seconds[2]), share(seconds[2], seconds[0]));
            System.out.flush();
        }
    }

    private Load keys(Load.Keys drawn, int keys) {
        String name = "keys " + drawn.name().toLowerCase(Locale.ROOT) + " " + keys;
        return new Load(name, CompressionType.NONE, records, keys, 120, 200, drawn);
    }

    // So many keys that they have no room in the memory that is allowed: the same bytes as with it.
    private void beyondMemory() throws Exception {
        if (!wanted.test(BEYOND_MEMORY)) {
            return;
        }
        Load load = new Load(BEYOND_MEMORY, CompressionType.NONE, 28 * records + records / 3,
            25 * records, 10, 500, Load.Keys.EVEN);
        Path source = load.place(work);
        long mebibytes = load.write(source) >> 20;
        System.out.println();
        System.out.println("| " + BEYOND_MEMORY + " | MiB | records | keys | passes | peak | time |");
        System.out.println("|---|---|---|---|---|---|---|");
        Path first = null;
        for (String memory : List.of("8GiB", "512MiB")) {
            double seconds = contestants.logcompactCleans(source, "--memory", memory);
            System.out.printf("| --memory %s | %d | %d | %d | %d | %d MiB | %.1f s |%n", memory,
                mebibytes, contestants.reported("records_read"),
                contestants.reported("distinct_keys"), contestants.reported("passes"),
                contestants.reported("peak_memory_bytes") >> 20, seconds);
            System.out.flush();
            Path kept = contestants.kept("memory-" + memory);
            if (first != null) {
                contestants.compares(first, kept);
                System.out.println("\nThe same bytes.");
            }
            first = kept;
        }
    }

    private static Load orders(int records) {
        return new Load("orders, segments of 64 MiB", CompressionType.NONE, records, 0, 120, 200,
                Load.Keys.ORDERS);
    }

    private static Load manyKeys(int records) {
        return new Load("none, many keys", CompressionType.NONE, records, records - 1, 120, 200,
                Load.Keys.EVEN);
    }

    // What the peak rises by where as many records have more keys.
    private void remembering() throws Exception {
        if (!wanted.test(MEMORY)) {
            return;
        }
        System.out.println();
        for (Load.Keys drawn : List.of(Load.Keys.EVEN, Load.Keys.BYTES, Load.Keys.UUIDS)) {
            remembering(drawn, "", "--keep-rounds", "0");
            remembering(drawn, ", with the state of rounds");
        }
    }

    private void remembering(Load.Keys drawn, String also, String... options) throws Exception {
        long[] peakBytes = new long[2];
        long[] keys = new long[2];
        String what = switch (drawn) {
            case BYTES -> " of 16 random bytes";
            case UUIDS -> " that is a UUID's text";
            default -> "";
        } + also;
        List<Load> fewAndMany = drawn == Load.Keys.EVEN
            ? List.of(loads().get(0), manyKeys(records))
            : List.of(keys(drawn, records / 12), keys(drawn, records - 1));
        for (int which = 0; which < 2; which++) {
            Path source = fewAndMany.get(which).place(work);
            fewAndMany.get(which).write(source);
            contestants.logcompactCleans(source, options);
            peakBytes[which] = contestants.reported("peak_memory_bytes");
            keys[which] = contestants.reported("records_kept");
        }
        System.out.printf("%s%s: %.1f bytes (at the peak %d MB with %d keys, %d MB with %d)%n",
            MEMORY, what, (double) (peakBytes[1] - peakBytes[0]) / (keys[1] - keys[0]),
            peakBytes[0] / 1_000_000, keys[0], peakBytes[1] / 1_000_000, keys[1]);
    }

    private void looking() throws Exception {
        List<Load> looked = loads().stream()
            .filter(load -> List.of("none", "zstd").contains(load.name()))
            .filter(load -> wanted.test(load.name())).toList();
        if (looked.isEmpty()) {
            return;
        }
        System.out.println();
        System.out.println(
            "| against `kafka-dump-log` | MiB | Kafka | logcompact | ratio | worst..best |");
        System.out.println("|---|---|---|---|---|---|");
        for (Load load : looked) {
            Path source = load.place(work);
            long mebibytes = load.write(source) >> 20;
            double[][] seconds = inTurns(List.of(
                () -> contestants.kafkaDumps(source, "--print-data-log"),
                () -> contestants.logcompactReads("dump", source, "--format", "json"),
                () -> contestants.kafkaDumps(source, "--deep-iteration"),
                () -> contestants.logcompactReads("verify", source)));
            System.out.printf("| dump --format json, %s, against --print-data-log | %d | %s |%n",
                load.name(), mebibytes, versus(seconds[0], seconds[1]));
            System.out.printf("| verify, %s, against --deep-iteration | %d | %s |%n",
                load.name(), mebibytes, versus(seconds[2], seconds[3]));
            System.out.flush();
        }
    }

    // Both medians, their ratio, and the worst and the best ratio of a turn.
    private static String versus(double[] kafka, double[] ours) {
        double[] ratios = ratios(kafka, ours);
        return String.format("%.2f s | %.2f s | **%.1f** | %.1f..%.1f", median(kafka),
            median(ours), median(kafka) / median(ours), ratios[0], ratios[ratios.length - 1]);
    }

    private static String ratio(double[] ours, double[] theirs) {
        double[] ratios = ratios(ours, theirs);
        return String.format("**%.2f** (%.2f..%.2f)", median(ours) / median(theirs), ratios[0],
            ratios[ratios.length - 1]);
    }

    private static String share(double[] ours, double[] theirs) {
        double[] ratios = ratios(ours, theirs);
        return String.format("**%.1f %%** | %.1f..%.1f", 100 * median(ours) / median(theirs),
            100 * ratios[0], 100 * ratios[ratios.length - 1]);
    }

    // Turn by turn, rising.
    private static double[] ratios(double[] ours, double[] theirs) {
        double[] ratios = new double[ours.length];
        for (int turn = 0; turn < ours.length; turn++) {
            ratios[turn] = ours[turn] / theirs[turn];
        }
        Arrays.sort(ratios);
        return ratios;
    }

    private static double median(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        int middle = sorted.length / 2;
        boolean odd = sorted.length % 2 == 1;
        return odd ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}

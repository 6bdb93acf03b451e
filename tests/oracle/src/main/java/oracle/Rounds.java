// Random logs of Kafka's, compacted in rounds as they grow: after each round Kafka must load what is
// there as it is, know the producers that it knew, and give a consumer what it gives of one fresh
// compaction of the whole log.
package oracle;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Properties;
import java.util.Random;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public final class Rounds {
    private static final long FAR_MS = 1_795_300_000_000L;
    private static final List<String> STRATEGIES =
        List.of("offset", "offset", "timestamp", "first", "header:h0");
    private static final Pattern WATERMARK = Pattern.compile("\"high_watermark\":\\s*(-?\\d+)");

    private final String binary;
    private final Path work;
    private final Random random;
    private final List<String> common = new ArrayList<>();
    private final Path whole;
    private final long now;
    private boolean byOffset;

    private Rounds(String binary, Path work, Shape shape, long seed) throws Exception {
        this.binary = binary;
        this.work = work;
        this.random = new Random(seed * 31 + shape.name().hashCode());
        this.whole = work.resolve("whole").resolve(shape.name() + "-0");
        long lastMs = RandomLog.write(whole, shape, seed);
        this.now = shape.producersRetire() ? lastMs + 1000 : FAR_MS;
        String strategy = STRATEGIES.get(random.nextInt(STRATEGIES.size()));
        byOffset = strategy.equals("offset");
        common.addAll(List.of("--quiet", "--now", Long.toString(now), "--strategy", strategy,
            "--delete-retention-ms", "36500d"));
        if (random.nextBoolean()) {
            common.add("--include-active");
        }
        if (random.nextBoolean()) {
            common.addAll(List.of("--null-keys", "keep"));
        }
    }

    public static void main(String[] args) throws Exception {
        String[] seeds = args[0].split("\\.\\.");
        long first = Long.parseLong(seeds[0]);
        long last = seeds.length > 1 ? Long.parseLong(seeds[1]) : first;
        Path root = Files.createTempDirectory("logcompact-rounds");
        List<Shape> shapes = Shape.all();
        int passed = 0;
        int failed = 0;
        for (long seed = first; seed <= last; seed++) {
            for (int i = 0; i < 2; i++) {
                Shape shape = shapes.get((int) ((seed * 2 + i) % shapes.size()));
                String name = shape.name() + "-seed-" + seed;
                Path work = root.resolve(name);
                Rounds rounds = new Rounds(args[1], work, shape, seed);
                Optional<String> problem = rounds.complaint();
                if (problem.isEmpty()) {
                    passed++;
                    System.out.println("ok   " + name + " " + rounds.common);
                    Campaign.removeIfThere(work);
                } else {
                    failed++;
                    System.out.println("FAIL " + name + " " + rounds.common + ": " + problem.get()
                        + "\n     kept in " + work);
                }
            }
        }
        System.out.println(passed + " passed, " + failed + " failed");
        System.exit(failed > 0 ? 1 : 0);
    }

    private Optional<String> complaint() throws Exception {
        List<Long> bases = new ArrayList<>();
        for (String log : Comparison.namesOf(whole, ".log")) {
            bases.add(Long.parseLong(log.substring(0, 20)));
        }
        TreeSet<Long> cuts = new TreeSet<>();
        for (int i = 0; i < 3 && bases.size() > 1; i++) {
            cuts.add(bases.get(1 + random.nextInt(bases.size() - 1)));
        }
        cuts.add(Long.MAX_VALUE);
        Path out = work.resolve("out");
        Path ours = out.resolve(whole.getFileName());
        long watermark = -1;
        int number = 0;
        for (long cut : cuts) {
            Path dir = work.resolve("round-" + ++number);
            Path source = dir.resolve("source").resolve(whole.getFileName());
            // Retention has taken what is compacted already, or not.
            long start = 0;
            if (random.nextBoolean()) {
                for (long base : bases) {
                    start = base <= watermark + 1 ? base : start;
                }
            }
            asItWas(source, start, cut);
            // First, mostly, up to somewhere within a batch.
            long last = cut == Long.MAX_VALUE ? bases.get(bases.size() - 1) + 150 : cut;
            long within = watermark + 1 + (long) (random.nextDouble() * (last - watermark));
            for (int step = random.nextInt(3) > 0 ? 0 : 1; step < 2; step++) {
                List<String> own = new ArrayList<>(List.of(
                    "--threads", Integer.toString(1 + random.nextInt(2)),
                    "--segment-bytes", random.nextBoolean() ? "20000" : "1GiB"));
                if (step == 0) {
                    own.addAll(List.of("--to-offset", Long.toString(within)));
                }
                Optional<String> problem = run(source, out, own);
                if (problem.isEmpty()) {
                    problem = judge(dir.resolve("judged-" + step), ours, cut);
                }
                if (problem.isPresent()) {
                    return Optional.of("round " + number + " up to " + cut + " " + own + ": "
                        + problem.get());
                }
                watermark = watermark(ours);
            }
            Campaign.removeIfThere(dir);
        }
        return Optional.empty();
    }

    // Kafka's view of what a round left, beside that of one compaction of all that there was.
    private Optional<String> judge(Path dir, Path ours, long cut) throws Exception {
        Optional<String> problem = Loading.complaint(ours, dir.resolve("load"), now);
        if (problem.isPresent()) {
            return problem;
        }
        Path all = dir.resolve("all").resolve(whole.getFileName());
        asItWas(all, 0, cut);
        Path fresh = dir.resolve("fresh");
        // Up to where the rounds have come: an offset that was asked for may lie behind the border at
        // which one compaction ends.
        long watermark = watermark(ours);
        problem = run(all, fresh, watermark < 0 ? List.of("--keep-rounds", "0")
            : List.of("--keep-rounds", "0", "--to-offset", Long.toString(watermark)));
        if (problem.isPresent()) {
            return problem;
        }
        TreeMap<Long, String> expected = read(fresh.resolve(whole.getFileName()), dir);
        TreeMap<Long, String> found = read(ours, dir);
        if (!expected.equals(found)) {
            TreeSet<Long> tooMany = new TreeSet<>(found.keySet());
            tooMany.removeAll(expected.keySet());
            TreeSet<Long> tooFew = new TreeSet<>(expected.keySet());
            tooFew.removeAll(found.keySet());
            return Optional.of("a consumer is given " + tooMany + " in addition, not " + tooFew);
        }
        if (byOffset && !state(all, dir).equals(state(ours, dir))) {
            return Optional.of("a consumer knows another state than of the source");
        }
        problem = Producers.difference(
            Producers.of(all, dir.resolve("producers-source"), true),
            Producers.of(ours, dir.resolve("producers-ours"), true));
        if (problem.isPresent()) {
            return problem;
        }
        int status = Campaign.run(List.of(binary, "verify", "--strict", ours.toString()));
        return status == 0
            ? Optional.empty() : Optional.of("logcompact verify --strict ended with " + status);
    }

    private Optional<String> run(Path source, Path out, List<String> own)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(
            List.of(binary, "compact", source.toString(), "--out", out.toString()));
        command.addAll(common);
        command.addAll(own);
        int status = Campaign.run(command);
        return status == 0
            ? Optional.empty() : Optional.of(command + " ended with status " + status);
    }

    // The log as it was when it was about to roll at `cut`, without the segments below `start`.
    private void asItWas(Path to, long start, long cut) throws IOException {
        Files.createDirectories(to);
        try (DirectoryStream<Path> files = Files.newDirectoryStream(whole)) {
            for (Path file : files) {
                String name = file.getFileName().toString();
                boolean isOffset = name.matches("\\d{20}\\..*");
                long offset = isOffset ? Long.parseLong(name.substring(0, 20)) : 0;
                boolean isSnapshot = name.endsWith(".snapshot");
                boolean wasThere = isSnapshot ? offset <= cut : offset < cut;
                if (!isOffset || (offset >= start && wasThere)) {
                    Files.copy(file, to.resolve(name),
                        java.nio.file.StandardCopyOption.COPY_ATTRIBUTES);
                }
            }
        }
        Path epochs = to.resolve("leader-epoch-checkpoint");
        List<String> lines = Files.exists(epochs) ? Files.readAllLines(epochs) : List.of();
        if (lines.size() < 2) {
            return;
        }
        List<String> known = new ArrayList<>();
        for (String line : lines.subList(2, lines.size())) {
            if (Long.parseLong(line.split(" ")[1]) < cut) {
                known.add(line);
            }
        }
        List<String> text = new ArrayList<>(
            List.of("0", Integer.toString(known.size())));
        text.addAll(known);
        Files.write(epochs, text);
    }

    private static long watermark(Path ours) throws IOException {
        Path state = ours.resolve(".logcompact");
        String current = Files.readString(state.resolve("CURRENT")).trim();
        Matcher matcher = WATERMARK.matcher(Files.readString(state.resolve(current)));
        if (!matcher.find()) {
            throw new IOException(current + " has no high watermark");
        }
        return Long.parseLong(matcher.group(1));
    }

    // Offset, key, value and time of each record that a consumer is given.
    private TreeMap<Long, String> read(Path dir, Path work) throws Exception {
        Path copy = work.resolve("read").resolve(dir.getFileName());
        Campaign.removeIfThere(copy);
        KafkaLog.copy(dir, copy);
        try (KafkaLog kafka = KafkaLog.open(copy, new Clock(now), true, new Properties())) {
            TreeMap<Long, String> records = new TreeMap<>();
            for (long offset : Committed.offsets(kafka.log, kafka.log.logStartOffset())) {
                records.put(offset, "");
            }
            for (Committed.Candidate keyed : Committed.candidates(kafka.log, "h0")) {
                records.put(keyed.offset(), keyed.toString());
            }
            return records;
        }
    }

    private TreeMap<String, String> state(Path dir, Path work) throws Exception {
        Path copy = work.resolve("state").resolve(dir.getFileName());
        Campaign.removeIfThere(copy);
        KafkaLog.copy(dir, copy);
        try (KafkaLog kafka = KafkaLog.open(copy, new Clock(now), true, new Properties())) {
            return Committed.of(kafka.log);
        }
    }
}

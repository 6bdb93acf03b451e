// For every seed and shape: make a directory, let Kafka's cleaner and logcompact clean it, compare,
// let Kafka load ours; then a second pass over Kafka's result with a later clock; then the active
// segment too, with snapshots and without; a log that starts within a segment; what dump selects of
// it; what other strategies leave of it; and what is left where keys are erased, and batches and
// segments made anew. And once: Kafka's cleaner gives a damaged batch a valid checksum, logcompact
// must not.
package oracle;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;

public final class Campaign {
    private static final long FAR_MS = 1_795_300_000_000L;
    private static final long TWO_DAYS_MS = 172_800_000L;

    private final String binary;
    private final Path work;
    private int passed;
    private int failed;
    private int gaveUp;
    private int rolls;

    private Campaign(String binary, Path work) {
        this.binary = binary;
        this.work = work;
    }

    public static void main(String[] args) throws Exception {
        String[] seeds = args[0].split("\\.\\.");
        long first = Long.parseLong(seeds[0]);
        long last = seeds.length > 1 ? Long.parseLong(seeds[1]) : first;
        Campaign campaign = new Campaign(args[1], Files.createTempDirectory("logcompact-oracle"));
        List<Shape> shapes = Shape.all();
        campaign.damage();
        for (long seed = first; seed <= last; seed++) {
            // A handful of shapes for a seed; over a few seeds all of them come up.
            for (int i = 0; i < 4; i++) {
                campaign.seed(seed, shapes.get((int) ((seed * 4 + i) % shapes.size())));
            }
        }
        if (campaign.gaveUp > 0) {
            System.out.println(campaign.gaveUp + " times Kafka gave up where logcompact goes on");
        }
        System.out.println(campaign.rolls + " logs rolled without a snapshot");
        System.out.println(campaign.passed + " passed, " + campaign.failed + " failed");
        System.exit(campaign.failed > 0 ? 1 : 0);
    }

    private void seed(long seed, Shape shape) throws Exception {
        String name = shape.name() + "-seed-" + seed;
        Path dir = work.resolve(name);
        Path source = dir.resolve("source").resolve(shape.name() + "-0");
        long lastMs = RandomLog.write(source, shape, seed);
        // So near that producers are still active, or so far that none is.
        long now = shape.producersRetire() ? lastMs + 1000 : FAR_MS;
        boolean good = true;
        int before = failed;
        Optional<Path> first = compare(name + " pass 1", source, dir.resolve("1"), now, false);
        good &= first.isPresent();
        if (first.isPresent()) {
            long later = now + TWO_DAYS_MS;
            good &= compare(name + " pass 2", first.get(), dir.resolve("2"), later, false).isPresent();
        }
        good &= compare(name + " with active", source, dir.resolve("3"), now, true).isPresent();
        good &= startsWithin(shape, seed, dir.resolve("5"));
        good &= rolled(name, source, dir.resolve("4"), now, seed % 2 == 0);
        Optional<String> problem = Selecting.complaint(
            binary, source, dir.resolve("select"), now, new Random(seed));
        report(name + " dump selects", problem, dir);
        good &= problem.isEmpty();
        Optional<String> strategies =
            Strategies.complaint(binary, source, dir.resolve("strategies"), now);
        report(name + " strategies", strategies, dir);
        good &= strategies.isEmpty();
        Optional<String> rewriting = Rewriting.complaint(
            binary, source, dir.resolve("rewriting"), now, new Random(seed + 1));
        report(name + " rewriting", rewriting, dir);
        good &= rewriting.isEmpty();
        good &= repair(name, source, dir.resolve("repair"), now, new Random(seed));
        if (good && failed == before) {
            remove(dir);
        }
    }

    // The log starts somewhere within a segment, as after records were deleted up to an offset. It
    // has no transactions: Kafka forgets which were aborted in front of the start.
    private boolean startsWithin(Shape like, long seed, Path dir) throws Exception {
        Shape shape = like.transactions(false, false);
        Random random = new Random(seed + 2);
        String name = shape.name() + "-seed-" + seed;
        Path source = dir.resolve("source").resolve(shape.name() + "-0");
        long lastMs = RandomLog.write(source, shape, seed);
        long now = shape.producersRetire() ? lastMs + 1000 : FAR_MS;
        long active = Long.parseLong(last(source, ".log").substring(0, 20));
        long start = active > 0 ? random.nextLong(active) : 0;
        boolean roll = random.nextBoolean();
        String starts = name + " starts at " + start + (roll ? " with active" : "");
        Optional<Path> first = compare(starts, source, dir.resolve("1"), now, roll, start);
        if (first.isEmpty()) {
            return false;
        }
        long later = now + TWO_DAYS_MS;
        Path again = dir.resolve("2");
        return compare(starts + " pass 2", first.get(), again, later, false, start).isPresent();
    }

    private Optional<Path> compare(String name, Path source, Path dir, long now, boolean active)
            throws Exception {
        return compare(name, source, dir, now, active, 0);
    }

    // Cleans `source` both ways; Kafka's result if there is no difference. The log starts at `start`,
    // if that is not 0.
    private Optional<Path> compare(
            String name, Path source, Path dir, long now, boolean active, long start)
            throws Exception {
        if (start > 0) {
            String topic = source.getFileName().toString().replaceFirst("-0$", "");
            Path checkpoint = source.resolveSibling("log-start-offset-checkpoint");
            Files.writeString(checkpoint, "0\n1\n" + topic + " 0 " + start + "\n");
        }
        Path kafkas = dir.resolve("kafka").resolve(source.getFileName());
        Path out = dir.resolve("logcompact");
        Path ours = out.resolve(source.getFileName());
        boolean kafkaGaveUp = false;
        try {
            KafkaCleaner.clean(source, kafkas, now, active, start);
        } catch (IllegalStateException emptyLegacyBatch) {
            kafkaGaveUp = true; // "Empty batches are only supported for magic v2 and above"
        }
        List<String> command = new ArrayList<>(List.of(binary, "compact", source.toString(),
            "--quiet", "--now", Long.toString(now), "--out", out.toString()));
        if (active) {
            command.add("--include-active");
        }
        int status = run(command);
        Optional<String> problem = Optional.empty();
        if (status != 0) {
            problem = Optional.of("logcompact ended with status " + status);
        } else if (!kafkaGaveUp) {
            problem = Comparison.difference(kafkas, ours);
        }
        if (problem.isEmpty()) {
            problem = Loading.complaint(ours, dir.resolve("load"), now);
        }
        gaveUp += kafkaGaveUp ? 1 : 0;
        report(name, problem, dir);
        verified(name + " verify the source", source);
        verified(name + " verify ours", ours);
        if (!kafkaGaveUp) {
            verified(name + " verify Kafka's", kafkas);
        }
        return problem.isEmpty() ? Optional.of(kafkaGaveUp ? ours : kafkas) : Optional.empty();
    }

    // Whoever wrote it: nothing is wrong, and nothing is to be warned of.
    private void verified(String name, Path dir) throws Exception {
        int status = run(List.of(binary, "verify", "--strict", dir.toString()));
        Optional<String> problem = status == 0
            ? Optional.empty() : Optional.of("logcompact verify --strict ended with " + status);
        report(name, problem, dir);
    }

    // Snapshots are missing, and the active segment is cleaned too: where it began anew, Kafka must
    // know the producers that it knew.
    private boolean rolled(String name, Path source, Path dir, long now, boolean forgetAll)
            throws Exception {
        String active = last(source, ".log");
        String newest = last(source, ".snapshot");
        Path lacking = dir.resolve("lacking").resolve(source.getFileName());
        KafkaLog.copy(source, lacking);
        Producers.forget(lacking, forgetAll);
        Path out = dir.resolve("logcompact");
        Path ours = out.resolve(source.getFileName());
        int status = run(List.of(binary, "compact", lacking.toString(), "--quiet",
            "--now", Long.toString(now), "--include-active", "--out", out.toString()));
        Optional<String> problem = Optional.empty();
        if (status != 0) {
            problem = Optional.of("logcompact ended with status " + status);
        } else if (!last(ours, ".log").equals(active)) {
            TreeMap<Long, String> kafkas = Producers.inSnapshot(source.resolve(newest).toFile());
            TreeMap<Long, String> state = Producers.of(ours, dir.resolve("reopened"), true);
            problem = Producers.difference(kafkas, state);
            if (problem.isEmpty() && Files.exists(ours.resolve(newest))) {
                problem = Producers.difference(
                    kafkas, Producers.inSnapshot(ours.resolve(newest).toFile()));
            }
            rolls++;
        }
        report(name + " rolled without a snapshot", problem, dir);
        return problem.isEmpty();
    }

    private static String last(Path dir, String suffix) throws IOException {
        List<String> names = Comparison.namesOf(dir, suffix);
        return names.get(names.size() - 1);
    }

    private boolean repair(String name, Path source, Path dir, long now, Random random)
            throws Exception {
        Repair repair = new Repair(source, dir, binary, now);
        int before = failed;
        report(name + " repair lost indexes", repair.lostIndexes(), dir);
        report(name + " repair --truncate", repair.truncate(random), dir);
        report(name + " repair an unreadable snapshot", repair.snapshot(), dir);
        report(name + " repair --skip", repair.skip(), dir);
        return failed == before;
    }

    // One flipped byte in the value of a record that survives, in a batch that is rebuilt.
    private void damage() throws Exception {
        Path dir = work.resolve("damage");
        Path source = dir.resolve("source").resolve("none-0");
        Shape shape = Shape.all().stream().filter(s -> s.name().equals("none")).findFirst().get();
        RandomLog.write(source, shape, 1);
        Path kafkas = dir.resolve("kafka").resolve("none-0");
        KafkaCleaner.clean(source, kafkas, FAR_MS, false, 0);
        Damage.flipSurvivor(source, kafkas);
        remove(kafkas);
        KafkaCleaner.clean(source, kafkas, FAR_MS, false, 0);
        boolean blessed = Damage.allValid(kafkas) && !Damage.allValid(source);
        System.out.println("a flipped byte: Kafka's cleaner "
            + (blessed ? "gave it a valid checksum" : "noticed"));
        Path out = dir.resolve("logcompact");
        int status = run(List.of(binary, "compact", source.toString(), "--quiet",
            "--now", Long.toString(FAR_MS), "--out", out.toString()));
        boolean leftAlone = status == 1 && !Files.exists(out.resolve("none-0"));
        Optional<String> problem = leftAlone
            ? Optional.empty() : Optional.of("it was not left alone, status " + status);
        report("a flipped byte is not given a valid checksum", problem, dir);
    }

    private void report(String name, Optional<String> problem, Path dir) {
        if (problem.isEmpty()) {
            passed++;
            System.out.println("ok   " + name);
        } else {
            failed++;
            System.out.println("FAIL " + name + ": " + problem.get() + "\n     kept in " + dir);
        }
    }

    static int run(List<String> command) throws IOException, InterruptedException {
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.redirectOutput(ProcessBuilder.Redirect.DISCARD);
        builder.redirectError(ProcessBuilder.Redirect.DISCARD);
        return builder.start().waitFor();
    }

    static void removeIfThere(Path dir) throws IOException {
        if (Files.exists(dir)) {
            remove(dir);
        }
    }

    private static void remove(Path dir) throws IOException {
        try (Stream<Path> files = Files.walk(dir)) {
            for (Path file : (Iterable<Path>) files.sorted(Comparator.reverseOrder())::iterator) {
                Files.delete(file);
            }
        }
    }
}

// What an interrupted `compact --in-place`, or round of `compact --out`, leaves, opened by real
// Kafka: for power cuts, folders that tests/power_cut.rs and tests/rounds_crash.rs kept; for kills, random directories on which the program is killed at
// random moments. Kafka must recover, and a read_committed consumer must see the latest value of
// each key that it saw before.
package oracle;

import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Properties;
import java.util.Random;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;

public final class Crash {
    private static final long NOW_MS = 1_795_300_000_000L;

    private final Path work;
    private int passed;
    private int failed;

    private Crash(Path work) {
        this.work = work;
    }

    // cuts FOLDER | kills SEEDS BINARY
    public static void main(String[] args) throws Exception {
        Crash crash = new Crash(Files.createTempDirectory("logcompact-oracle"));
        if (args[0].equals("cuts")) {
            crash.cuts(Path.of(args[1]));
        } else {
            String[] seeds = args[1].split("\\.\\.");
            long last = Long.parseLong(seeds[seeds.length - 1]);
            for (long seed = Long.parseLong(seeds[0]); seed <= last; seed++) {
                crash.kills(seed, args[2]);
            }
        }
        System.out.println(crash.passed + " passed, " + crash.failed + " failed");
        System.exit(crash.failed > 0 ? 1 : 0);
    }

    private void cuts(Path folder) throws Exception {
        Map<String, List<State>> bounds = new HashMap<>();
        List<Path> cases = new ArrayList<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder)) {
            entries.forEach(cases::add);
        }
        cases.sort(null);
        for (Path cut : cases) {
            String name = cut.getFileName().toString().replaceFirst(" \\d+$", "");
            if (!bounds.containsKey(name)) {
                bounds.put(name, List.of(
                    stateOf(cut.resolve("before/t-0")), stateOf(cut.resolve("after/t-0"))));
            }
            judge(cut.getFileName().toString(), cut.resolve("left/t-0"), bounds.get(name));
        }
    }

    private void kills(long seed, String binary) throws Exception {
        List<Shape> shapes = Shape.all();
        Shape shape = shapes.get((int) (seed % shapes.size()));
        Path dir = work.resolve("seed-" + seed);
        Path source = dir.resolve("source").resolve(shape.name() + "-0");
        RandomLog.write(source, shape, seed);
        State before = stateOf(source);
        Random random = new Random(seed);
        for (int round = 0; round < 8; round++) {
            Path killed = dir.resolve("kill-" + round).resolve(source.getFileName());
            KafkaLog.copy(source, killed);
            List<String> command = new ArrayList<>(List.of(binary, "compact", "--in-place",
                killed.toString(), "--now", Long.toString(NOW_MS), "--quiet", "--segment-bytes",
                "20000"));
            if (random.nextBoolean()) {
                command.add("--leave-deleted");
            }
            Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.DISCARD).start();
            process.waitFor(random.nextInt(12_000), TimeUnit.MICROSECONDS);
            process.destroyForcibly().waitFor();
            judge("seed " + seed + " kill " + round, killed, List.of(before));
        }
    }

    // What a consumer knows after a clean shutdown, and after a full recovery, which without a
    // snapshot finds transactions that are open.
    private record State(TreeMap<String, String> clean, TreeMap<String, String> recovered) { }

    // Of each key Kafka must know what one of the states says of it.
    private void judge(String name, Path left, List<State> both) throws Exception {
        Optional<String> problem = Optional.empty();
        for (boolean clean : new boolean[] {true, false}) {
            Path copy = work.resolve("open").resolve(clean ? "clean" : "unclean").resolve("t-0");
            Campaign.removeIfThere(copy);
            KafkaLog.copy(left, copy);
            List<TreeMap<String, String>> states =
                both.stream().map(state -> clean ? state.clean : state.recovered).toList();
            TreeMap<String, String> now;
            try (KafkaLog kafka = KafkaLog.open(copy, new Clock(NOW_MS), clean, new Properties())) {
                now = Committed.of(kafka.log);
                if (!Comparison.namesOf(copy, ".deleted").isEmpty()) {
                    problem = Optional.of("Kafka leaves .deleted files where it starts");
                    break;
                }
            } catch (RuntimeException e) {
                problem = Optional.of("Kafka does not open it: " + e);
                break;
            }
            TreeSet<String> keys = new TreeSet<>(now.keySet());
            states.forEach(state -> keys.addAll(state.keySet()));
            for (String key : keys) {
                String known = now.get(key);
                if (states.stream().noneMatch(state -> Objects.equals(state.get(key), known))) {
                    problem = Optional.of("the key " + key + " has " + known
                        + (known == null ? ": it is lost" : ": it came back")
                        + ", clean shutdown " + clean);
                }
            }
        }
        if (problem.isEmpty()) {
            passed++;
        } else {
            failed++;
            System.out.println("FAIL " + name + ": " + problem.get() + "\n     " + left);
        }
    }

    private State stateOf(Path dir) throws Exception {
        return new State(stateOf(dir, true), stateOf(dir, false));
    }

    private TreeMap<String, String> stateOf(Path dir, boolean clean) throws Exception {
        Path copy = work.resolve("state").resolve(dir.getFileName());
        Campaign.removeIfThere(copy);
        KafkaLog.copy(dir, copy);
        try (KafkaLog kafka = KafkaLog.open(copy, new Clock(NOW_MS), clean, new Properties())) {
            return Committed.of(kafka.log);
        }
    }
}

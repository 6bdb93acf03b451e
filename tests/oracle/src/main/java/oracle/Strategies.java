// What `compact --strategy` leaves, against a model of each strategy over the committed records as
// Kafka reads them; and Kafka must take the output as it is.
package oracle;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;

final class Strategies {
    private static final String HEADER = "h0";
    private static final List<String> NAMES =
        List.of("offset", "timestamp", "first", "header:" + HEADER);

    private Strategies() { }

    static Optional<String> complaint(String binary, Path source, Path work, long now)
            throws Exception {
        List<Committed.Candidate> candidates;
        long end;
        boolean allDecided;
        Path copy = work.resolve("read").resolve(source.getFileName());
        KafkaLog.copy(source, copy);
        try (KafkaLog kafka = KafkaLog.open(copy, new Clock(now), true, new Properties())) {
            candidates = Committed.candidates(kafka.log, HEADER);
            end = kafka.log.logEndOffset();
            allDecided = kafka.log.lastStableOffset() == end;
        }
        for (String name : NAMES) {
            Path dir = work.resolve(name.replace(':', '-'));
            Path out = dir.resolve("logcompact");
            Path ours = out.resolve(source.getFileName());
            run(List.of(binary, "compact", source.toString(), "--quiet", "--include-active",
                "--now", Long.toString(now), "--strategy", name, "--out", out.toString()));
            Optional<String> problem = Loading.complaint(ours, dir.resolve("load"), now);
            if (problem.isEmpty()) {
                List<Long> winners = allDecided ? winners(name, candidates) : null;
                problem = compare(winners, end, ours, dir.resolve("reopened"), now);
            }
            if (problem.isPresent()) {
                return Optional.of("--strategy " + name + ": " + problem.get());
            }
        }
        return Optional.empty();
    }

    // What a consumer is given of our output. An open transaction ends the range before the log ends:
    // then only that is looked at.
    private static Optional<String> compare(
            List<Long> winners, long end, Path ours, Path work, long now) throws Exception {
        Path copy = work.resolve(ours.getFileName());
        KafkaLog.copy(ours, copy);
        try (KafkaLog kafka = KafkaLog.open(copy, new Clock(now), true, new Properties())) {
            if (kafka.log.logEndOffset() != end) {
                return Optional.of("the log ends at " + kafka.log.logEndOffset() + ", not " + end);
            }
            List<Long> left = Committed.offsets(kafka.log, kafka.log.logStartOffset());
            return winners == null || winners.equals(left) ? Optional.empty()
                : Optional.of("survivors\n  model " + winners + "\n  ours  " + left);
        }
    }

    private static List<Long> winners(String name, List<Committed.Candidate> candidates) {
        Map<String, List<Committed.Candidate>> byKey = new LinkedHashMap<>();
        for (Committed.Candidate candidate : candidates) {
            byKey.computeIfAbsent(candidate.key(), key -> new ArrayList<>()).add(candidate);
        }
        List<Long> winners = new ArrayList<>();
        byKey.values().forEach(ofKey -> winners.add(winner(name, ofKey).offset()));
        winners.sort(null);
        return winners;
    }

    private static Committed.Candidate winner(String name, List<Committed.Candidate> ofKey) {
        Comparator<Committed.Candidate> byOffset =
            Comparator.comparingLong(Committed.Candidate::offset);
        switch (name) {
            case "offset":
                return ofKey.get(ofKey.size() - 1);
            case "timestamp":
                return ofKey.stream().max(
                    Comparator.comparingLong(Committed.Candidate::timestamp)
                        .thenComparing(byOffset)).orElseThrow();
            case "first":
                Committed.Candidate live = null;
                for (Committed.Candidate candidate : ofKey) {
                    if (live == null || live.deletes() || candidate.deletes()) {
                        live = candidate;
                    }
                }
                return live;
            default:
                return ofKey.stream().max(
                    Comparator.comparing(Committed.Candidate::version,
                            Comparator.nullsFirst(Comparator.<Long>naturalOrder()))
                        .thenComparing(byOffset)).orElseThrow();
        }
    }

    private static void run(List<String> command) throws IOException, InterruptedException {
        int status = new ProcessBuilder(command).inheritIO().start().waitFor();
        if (status != 0) {
            throw new IOException(command + " ended with status " + status);
        }
    }
}

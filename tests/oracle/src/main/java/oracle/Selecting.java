// What `dump` selects against what a broker gives: to a read_committed consumer that starts anywhere,
// for a timestamp that is looked up, and as the state that such a consumer ends with.
package oracle;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Properties;
import java.util.Random;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.common.record.FileRecords.TimestampAndOffset;
import org.apache.kafka.common.record.RecordBatch;
import org.apache.kafka.storage.internals.log.LogSegment;
import org.apache.kafka.storage.internals.log.UnifiedLog;

final class Selecting {
    private static final int STARTS = 6;
    private static final int TIMES = 6;
    private static final Pattern OFFSET = Pattern.compile("\"offset\":(\\d+)");
    private static final Pattern KEY = Pattern.compile("\"key\":\\{\"base64\":\"([^\"]*)\"");
    private static final Pattern VALUE = Pattern.compile("\"value\":\\{\"base64\":\"([^\"]*)\"");

    private final String binary;
    private final Path dir;

    private Selecting(String binary, Path dir) {
        this.binary = binary;
        this.dir = dir;
    }

    static Optional<String> complaint(String binary, Path source, Path work, long now, Random random)
            throws Exception {
        Path copy = work.resolve(source.getFileName());
        KafkaLog.copy(source, copy);
        Selecting selecting = new Selecting(binary, source);
        try (KafkaLog kafka = KafkaLog.open(copy, new Clock(now), true, new Properties())) {
            Optional<String> problem = selecting.committed(kafka.log, random);
            problem = problem.isPresent() ? problem : selecting.state(kafka.log);
            return problem.isPresent() ? problem : selecting.times(kafka.log, random);
        }
    }

    private Optional<String> committed(UnifiedLog log, Random random) throws Exception {
        for (int i = 0; i < STARTS; i++) {
            long start = log.logStartOffset();
            start += i == 0 ? 0 : (long) (random.nextDouble() * (log.logEndOffset() - start));
            List<Long> theirs = Committed.offsets(log, start);
            List<Long> ours = offsets("--isolation", "read_committed", "--offsets", start + "..");
            if (!theirs.equals(ours)) {
                return Optional.of("committed from " + start + "\n  Kafka " + theirs + "\n  ours  " + ours);
            }
        }
        return Optional.empty();
    }

    private Optional<String> state(UnifiedLog log) throws Exception {
        TreeMap<String, String> ours = new TreeMap<>();
        for (String line : lines("--state", "--encoding", "base64")) {
            ours.put(group(KEY, line), group(OFFSET, line) + ":" + group(VALUE, line));
        }
        TreeMap<String, String> theirs = Committed.of(log);
        return theirs.equals(ours) ? Optional.empty()
            : Optional.of("state\n  Kafka " + theirs + "\n  ours  " + ours);
    }

    private Optional<String> times(UnifiedLog log, Random random) throws Exception {
        List<Long> times = new ArrayList<>();
        for (LogSegment segment : log.logSegments()) {
            for (RecordBatch batch : segment.log().batches()) {
                times.add(batch.maxTimestamp());
            }
        }
        for (int i = 0; i < TIMES && !times.isEmpty(); i++) {
            long time = times.get(random.nextInt(times.size())) + random.nextInt(3) - 1;
            if (time < 0) {
                continue;
            }
            Optional<TimestampAndOffset> found =
                log.fetchOffsetByTimestamp(time, Optional.empty()).timestampAndOffsetOpt();
            List<Long> theirs = found.map(at -> List.of(at.offset)).orElse(List.of());
            List<Long> ours = offsets("--time", time + "..", "--limit", "1");
            if (!theirs.equals(ours)) {
                return Optional.of("time " + time + ": Kafka " + theirs + ", ours " + ours);
            }
        }
        return Optional.empty();
    }

    private List<Long> offsets(String... options) throws IOException, InterruptedException {
        List<Long> offsets = new ArrayList<>();
        for (String line : lines(options)) {
            offsets.add(Long.parseLong(group(OFFSET, line)));
        }
        return offsets;
    }

    private List<String> lines(String... options) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(
            List.of(binary, "dump", dir.toString(), "--quiet", "--format", "json"));
        command.addAll(List.of(options));
        Process process =
            new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
        List<String> lines = process.inputReader().lines().toList();
        int status = process.waitFor();
        if (status != 0) {
            throw new IOException(command + " ended with status " + status);
        }
        return lines;
    }

    private static String group(Pattern pattern, String line) {
        Matcher matcher = pattern.matcher(line);
        if (!matcher.find()) {
            throw new IllegalArgumentException(pattern + " in " + line);
        }
        return matcher.group(1);
    }
}

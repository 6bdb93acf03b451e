// `logcompact repair` against Kafka's own recovery: a log cut where Kafka cuts it, indexes that
// Kafka takes as they are.
package oracle;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Properties;
import java.util.Random;
import java.util.TreeMap;

final class Repair {
    private final Path source;
    private final Path dir;
    private final String binary;
    private final long nowMs;

    Repair(Path source, Path dir, String binary, long nowMs) {
        this.source = source;
        this.dir = dir;
        this.binary = binary;
        this.nowMs = nowMs;
    }

    // All indexes are lost: ours must be such that Kafka changes no file at start.
    Optional<String> lostIndexes() throws Exception {
        Path lost = dir.resolve("lost").resolve(source.getFileName());
        KafkaLog.copy(source, lost);
        for (String name : Comparison.namesOf(lost, "index")) {
            Files.delete(lost.resolve(name));
        }
        Path ours = repair(lost, dir.resolve("indexes"));
        Optional<String> complaint = Loading.complaint(ours, dir.resolve("load-indexes"), nowMs);
        return complaint.isPresent() ? complaint : transactions(source, ours);
    }

    // A byte is wrong: we cut where Kafka's recovery cuts, and write the indexes that it writes.
    Optional<String> truncate(Random random) throws Exception {
        Path damaged = dir.resolve("damaged").resolve(source.getFileName());
        KafkaLog.copy(source, damaged);
        String where = flip(damaged, random);
        Path ours = repair(damaged, dir.resolve("truncated"), "--truncate");
        Path kafkas = dir.resolve("recovered").resolve(source.getFileName());
        KafkaLog.copy(damaged, kafkas);
        KafkaLog.open(kafkas, new Clock(nowMs), false, new Properties()).close();
        List<String> names = Comparison.namesOf(kafkas, ".log");
        if (!names.equals(Comparison.namesOf(ours, ".log"))) {
            return Optional.of(where + ": Kafka left " + names);
        }
        for (String name : names) {
            if (!Arrays.equals(bytes(kafkas.resolve(name)), bytes(ours.resolve(name)))) {
                return Optional.of(where + ": " + name + " is not cut where Kafka cuts it");
            }
        }
        Optional<String> problem = Producers.difference(
            Producers.of(damaged, dir.resolve("producers-kafka"), false),
            Producers.of(ours, dir.resolve("producers"), true));
        if (problem.isEmpty()) {
            problem = Loading.complaint(ours, dir.resolve("load-cut"), nowMs);
        }
        return problem.map(text -> where + ": " + text);
    }

    // The only snapshot that is left cannot be read: it is written anew, in place.
    Optional<String> snapshot() throws Exception {
        Path ours = dir.resolve("unreadable").resolve(source.getFileName());
        KafkaLog.copy(source, ours);
        List<String> names = Comparison.namesOf(ours, ".snapshot");
        String last = names.get(names.size() - 1);
        Producers.forget(ours, true);
        Files.write(ours.resolve(last), new byte[] {0, 1, 0});
        if (Campaign.run(List.of(binary, "repair", ours.toString(), "--quiet", "--in-place")) > 0) {
            return Optional.of("logcompact repair failed");
        }
        TreeMap<Long, String> kafkas = Producers.inSnapshot(source.resolve(last).toFile());
        return Producers.difference(kafkas, Producers.of(ours, dir.resolve("reopened"), true));
    }

    // The same byte, skipped: Kafka takes what is left as it is.
    Optional<String> skip() throws Exception {
        Path damaged = dir.resolve("damaged").resolve(source.getFileName());
        Path ours = repair(damaged, dir.resolve("skipped"), "--skip");
        return Loading.complaint(ours, dir.resolve("load-skipped"), nowMs);
    }

    private Path repair(Path from, Path out, String... options) throws Exception {
        List<String> command = new ArrayList<>(List.of(binary, "repair", from.toString(),
            "--quiet", "--out", out.toString()));
        command.addAll(List.of(options));
        int status = Campaign.run(command);
        if (status > 1) {
            throw new IOException("logcompact repair ended with status " + status);
        }
        return out.resolve(source.getFileName());
    }

    private static Optional<String> transactions(Path before, Path after) throws IOException {
        for (String name : Comparison.namesOf(before, ".log")) {
            String index = name.replace(".log", ".txnindex");
            if (!Arrays.equals(bytes(before.resolve(index)), bytes(after.resolve(index)))) {
                return Optional.of(index + " is not what Kafka wrote");
            }
        }
        return Optional.empty();
    }

    private static byte[] bytes(Path file) throws IOException {
        return Files.exists(file) ? Files.readAllBytes(file) : new byte[0];
    }

    // One bit, somewhere in a batch where its checksum or its length tells.
    private static String flip(Path dir, Random random) throws IOException {
        List<String> logs = new ArrayList<>(Comparison.namesOf(dir, ".log"));
        logs.removeIf(name -> dir.resolve(name).toFile().length() == 0);
        String name = logs.get(random.nextInt(logs.size()));
        byte[] bytes = Files.readAllBytes(dir.resolve(name));
        List<Integer> starts = new ArrayList<>();
        for (int at = 0; at < bytes.length; at += 12 + ByteBuffer.wrap(bytes).getInt(at + 8)) {
            starts.add(at);
        }
        int start = starts.get(random.nextInt(starts.size()));
        int size = 12 + ByteBuffer.wrap(bytes).getInt(start + 8);
        boolean inLength = random.nextInt(5) == 0;
        int at = start + (inLength ? 8 + random.nextInt(4) : 17 + random.nextInt(size - 17));
        bytes[at] ^= (byte) (1 << random.nextInt(8));
        Files.write(dir.resolve(name), bytes);
        return name + " position " + start + ", byte " + (at - start);
    }
}

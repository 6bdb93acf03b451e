// Who is measured, each by its name: seconds of wall time for one piece of work.
package oracle;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.apache.kafka.storage.internals.log.Cleaner;

final class Contestants {
    private static final long NOW_MS = 1_795_300_000_000L;
    // Of all who can use several.
    static final int THREADS = 2;
    private static final int READ_BYTES = 1 << 20;

    private final String binary;
    private final Path work;

    Contestants(String binary, Path work) {
        this.binary = binary;
        this.work = work;
    }

    // Kafka's cleaner on copies of the partitions, on this many threads; the copying not counted.
    double kafkaCleans(List<Path> partitions, int threads) throws Exception {
        return clean(partitions, cleared("kafka"), threads);
    }

    // The same in a JVM that was just started for it: what the cleaner takes, not the start.
    double freshKafkaCleans(List<Path> partitions, int threads) throws Exception {
        List<String> command = new ArrayList<>(List.of("java", "-Xmx2g",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=off", "-cp",
            System.getProperty("java.class.path"), "oracle.Contestants",
            cleared("kafka").toString(), Integer.toString(threads)));
        partitions.forEach(partition -> command.add(partition.toString()));
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.redirectError(ProcessBuilder.Redirect.DISCARD);
        Process process = builder.start();
        String printed = new String(process.getInputStream().readAllBytes()).strip();
        if (process.waitFor() != 0) {
            throw new IllegalStateException("Kafka's cleaner failed in a JVM of its own");
        }
        return Double.parseDouble(printed);
    }

    // For a JVM that has done nothing before: OUT THREADS PARTITION..., prints the seconds.
    public static void main(String[] args) throws Exception {
        List<Path> partitions = Arrays.stream(args).skip(2).map(Path::of).toList();
        System.out.println(clean(partitions, Path.of(args[0]), Integer.parseInt(args[1])));
        System.exit(0);
    }

    private static double clean(List<Path> partitions, Path out, int threads) throws Exception {
        List<KafkaCleaner> cleaners = new ArrayList<>();
        for (Path partition : partitions) {
            Path copy = out.resolve(partition.getFileName());
            cleaners.add(new KafkaCleaner(partition, copy, NOW_MS, false, 0));
        }
        List<Callable<Void>> works = new ArrayList<>();
        Queue<KafkaCleaner> waiting = new ConcurrentLinkedQueue<>(cleaners);
        for (int thread = 0; thread < threads; thread++) {
            Cleaner cleaner = KafkaCleaner.cleaner(threads, NOW_MS);
            works.add(() -> cleanAll(waiting, cleaner));
        }
        ExecutorService pool = Executors.newFixedThreadPool(threads);
        settle(out);
        long start = System.nanoTime();
        for (Future<Void> one : pool.invokeAll(works)) {
            one.get();
        }
        double seconds = (System.nanoTime() - start) / 1e9;
        pool.shutdown();
        for (KafkaCleaner cleaner : cleaners) {
            cleaner.close();
        }
        return seconds;
    }

    private static Void cleanAll(Queue<KafkaCleaner> waiting, Cleaner cleaner) throws Exception {
        for (KafkaCleaner one = waiting.poll(); one != null; one = waiting.poll()) {
            one.clean(cleaner);
        }
        return null;
    }

    double logcompactCleans(Path source, String... options) throws Exception {
        Path out = cleared("logcompact");
        settle(source);
        List<Object> command = new ArrayList<>(List.of("compact", source, "--quiet", "--now",
            NOW_MS, "--out", out));
        command.addAll(Arrays.asList(options));
        return logcompact(command.toArray());
    }

    // A round over what lies behind an offset, upon one that came up to it; that one not counted.
    double logcompactGoesOn(Path source, String behind, double ratio, String... options)
            throws Exception {
        Path out = cleared("logcompact");
        List<Object> command = new ArrayList<>(List.of("compact", source, "--quiet", "--now",
            NOW_MS, "--out", out));
        command.addAll(Arrays.asList(options));
        List<Object> before = new ArrayList<>(command);
        before.addAll(List.of("--to-offset", behind));
        logcompact(before.toArray());
        settle(source, out);
        command.addAll(List.of("--min-rewrite-ratio", ratio));
        return logcompact(command.toArray());
    }

    // Whether two directories have the same files with the same bytes, reports aside.
    void compares(Path one, Path other) throws Exception {
        process(List.of("diff", "-r", "-x", "logcompact-report.json", "-x", "round-*.json",
            one.toString(), other.toString()));
    }

    // Where the last result lies, which is kept under this name.
    Path kept(String name) throws IOException {
        return Files.move(work.resolve("logcompact"), cleared(name));
    }

    // A number of the report that logcompact has left.
    long reported(String name) throws IOException {
        String report = Files.readString(work.resolve("logcompact/logcompact-report.json"));
        Matcher found = Pattern.compile("\"" + name + "\": *(\\d+)").matcher(report);
        return found.find() ? Long.parseLong(found.group(1)) : 0;
    }

    // In place, as Kafka does it, on a copy; the copying not counted.
    double logcompactCleansInPlace(Path source, String... options) throws Exception {
        Path copy = cleared("logcompact").resolve(source.getFileName());
        Files.createDirectories(copy.getParent());
        process(List.of("cp", "-r", source.toString(), copy.toString()));
        settle(copy);
        List<Object> command = new ArrayList<>(List.of("compact", copy, "--quiet", "--now", NOW_MS,
            "--in-place"));
        command.addAll(Arrays.asList(options));
        return logcompact(command.toArray());
    }

    double logcompactReads(String command, Path source, String... options) throws Exception {
        settle(source);
        List<Object> words = new ArrayList<>(List.of(command, source));
        words.addAll(Arrays.asList(options));
        return logcompact(words.toArray());
    }

    private double logcompact(Object... words) throws Exception {
        List<String> command = new ArrayList<>(List.of(binary));
        for (Object word : words) {
            command.add(word.toString());
        }
        if (!command.contains("--threads")) {
            command.addAll(List.of("--threads", Integer.toString(THREADS)));
        }
        return process(command);
    }

    double copies(Path source) throws Exception {
        Path copy = cleared("copy");
        settle(source);
        return process(List.of("cp", "-r", source.toString(), copy.toString()));
    }

    // The least that a tool can do which writes all of it anew and lets nobody lose it.
    double copiesAndSyncs(Path source) throws Exception {
        return copies(source) + process(List.of("sync"));
    }

    // Reads all logs on both threads and takes a CRC-32C over them: the least that a tool can do
    // which trusts nothing.
    double checksums(List<Path> partitions) throws Exception {
        settle(partitions.toArray(Path[]::new));
        long start = System.nanoTime();
        List<Runnable> parts = new ArrayList<>();
        int threads = THREADS;
        for (Path partition : partitions) {
            for (String name : Comparison.namesOf(partition, ".log")) {
                for (int part = 0; part < threads; part++) {
                    int number = part;
                    parts.add(() -> checksum(partition.resolve(name), number, threads));
                }
            }
        }
        ExecutorService pool = Executors.newFixedThreadPool(threads);
        List<Future<?>> running = new ArrayList<>();
        for (Runnable part : parts) {
            running.add(pool.submit(part));
        }
        for (Future<?> one : running) {
            one.get();
        }
        pool.shutdown();
        return (System.nanoTime() - start) / 1e9;
    }

    private static void checksum(Path file, int part, int parts) {
        try (FileChannel channel = FileChannel.open(file)) {
            long size = channel.size();
            long end = size * (part + 1) / parts;
            CRC32C crc = new CRC32C();
            ByteBuffer buffer = ByteBuffer.allocateDirect(READ_BYTES);
            for (long at = size * part / parts; at < end; at += READ_BYTES) {
                buffer.clear().limit((int) Math.min(READ_BYTES, end - at));
                channel.read(buffer, at);
                crc.update(buffer.flip());
            }
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    // Kafka's dump tool over all logs of the partition, the whole process as a user runs it.
    double kafkaDumps(Path source, String option) throws Exception {
        List<String> logs = new ArrayList<>();
        for (String name : Comparison.namesOf(source, ".log")) {
            logs.add(source.resolve(name).toString());
        }
        settle(source);
        return process(List.of("java", "-Xmx2g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=off",
            "-cp", System.getProperty("java.class.path"), "kafka.tools.DumpLogSegments", option,
            "--files", String.join(",", logs)));
    }

    // What others have written is on the disk before anybody's clock starts, and what is to be read
    // is in memory, all of it: there are systems that give idle pages back.
    private static void settle(Path... sources) throws Exception {
        process(List.of("sync"));
        for (Path source : sources) {
            Files.walkFileTree(source, new SimpleFileVisitor<>() {
                @Override
                public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
                    checksum(file, 0, 1);
                    return FileVisitResult.CONTINUE;
                }

                // Kafka writes its checkpoints on a thread of its own, under names that go again.
                @Override
                public FileVisitResult visitFileFailed(Path file, IOException failure)
                        throws IOException {
                    if (failure instanceof NoSuchFileException) {
                        return FileVisitResult.CONTINUE;
                    }
                    throw failure;
                }
            });
        }
    }

    private static double process(List<String> command) throws Exception {
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

    private Path cleared(String name) throws IOException {
        Path dir = work.resolve(name);
        if (Files.exists(dir)) {
            try (Stream<Path> files = Files.walk(dir)) {
                for (Path file : (Iterable<Path>) files.sorted(Comparator.reverseOrder())::iterator) {
                    Files.delete(file);
                }
            }
        }
        return dir;
    }
}

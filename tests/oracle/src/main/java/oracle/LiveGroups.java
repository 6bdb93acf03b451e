// Groups of all kinds on a running broker, and what the broker says of them.
//
//   LiveGroups BOOTSTRAP OUT     writes a JSON object a line to OUT, says "ready", and keeps its
//                                members alive until it is killed
package oracle;

import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class LiveGroups {
    private static final String TOPIC = "orders";
    private static final int PARTITIONS = 3;

    private final String bootstrap;
    private final Admin admin;
    private final List<KafkaConsumer<String, String>> alive = new ArrayList<>();

    private LiveGroups(String bootstrap) {
        this.bootstrap = bootstrap;
        this.admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
    }

    public static void main(String[] args) throws Exception {
        new LiveGroups(args[0]).run(Path.of(args[1]));
    }

    private void run(Path out) throws Exception {
        admin.createTopics(List.of(new NewTopic(TOPIC, PARTITIONS, (short) 1))).all().get();
        produce();
        for (String protocol : List.of("classic", "consumer")) {
            alive.add(consumer(protocol, protocol + "-alive", "one", Optional.of("static-1")));
            alive.add(consumer(protocol, protocol + "-alive", "two", Optional.empty()));
            settle(alive);
            alive.forEach(KafkaConsumer::commitSync);
            KafkaConsumer<String, String> gone = consumer(protocol, protocol + "-gone", "three", Optional.empty());
            settle(List.of(gone));
            gone.commitSync();
            gone.close();
        }
        transactions();
        commit("admin-only", 0, 4);
        commit("deleted", 0, 5);
        commit("half-deleted", 0, 6);
        commit("half-deleted", 1, 7);
        admin.deleteConsumerGroups(List.of("deleted")).all().get();
        admin.deleteConsumerGroupOffsets("half-deleted", Set.of(at(0))).all().get();
        KafkaShareConsumer<String, String> share = new KafkaShareConsumer<>(client("share-alive", "sharer"));
        share.subscribe(List.of(TOPIC));
        for (int turn = 0; turn < 20; turn++) {
            share.poll(Duration.ofMillis(100));
            alive.forEach(consumer -> consumer.poll(Duration.ofMillis(1)));
        }
        try (PrintStream lines = new PrintStream(Files.newOutputStream(out))) {
            describe(lines);
        }
        System.out.println("ready");
        while (true) {
            share.poll(Duration.ofMillis(50));
            alive.forEach(consumer -> consumer.poll(Duration.ofMillis(10)));
        }
    }

    // What was committed in a transaction counts when it commits, unless something later did before.
    private void transactions() throws Exception {
        try (KafkaProducer<String, String> producer = producer("txn-1")) {
            producer.initTransactions();
            commitIn(producer, "txn-committed", 10, true);
            commitIn(producer, "txn-aborted-after", 11, true);
            commitIn(producer, "txn-aborted-after", 12, false);
            commitIn(producer, "txn-aborted-only", 13, false);
            producer.beginTransaction();
            producer.sendOffsetsToTransaction(Map.of(at(0), new OffsetAndMetadata(14)), new ConsumerGroupMetadata("txn-overtaken"));
            commit("txn-overtaken", 0, 15);
            producer.commitTransaction();
        }
        KafkaProducer<String, String> open = producer("txn-2");
        open.initTransactions();
        commitIn(open, "txn-open", 16, true);
        open.beginTransaction();
        open.sendOffsetsToTransaction(Map.of(at(0), new OffsetAndMetadata(17)), new ConsumerGroupMetadata("txn-open"));
    }

    private void commitIn(KafkaProducer<String, String> producer, String group, long offset, boolean isCommitted) {
        producer.beginTransaction();
        producer.send(new ProducerRecord<>(TOPIC, 2, "k", "in a transaction"));
        producer.sendOffsetsToTransaction(Map.of(at(0), new OffsetAndMetadata(offset)), new ConsumerGroupMetadata(group));
        if (isCommitted) {
            producer.commitTransaction();
        } else {
            producer.abortTransaction();
        }
    }

    private void commit(String group, int partition, long offset) throws Exception {
        admin.alterConsumerGroupOffsets(group, Map.of(at(partition), new OffsetAndMetadata(offset, "by \"admin\""))).all().get();
    }

    private static TopicPartition at(int partition) {
        return new TopicPartition(TOPIC, partition);
    }

    private void produce() throws Exception {
        try (KafkaProducer<String, String> producer = producer(null)) {
            for (int number = 0; number < 300; number++) {
                producer.send(new ProducerRecord<>(TOPIC, number % PARTITIONS, "key-" + number, "value"));
            }
        }
    }

    private KafkaProducer<String, String> producer(String transactionalId) {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        if (transactionalId != null) {
            config.put("transactional.id", transactionalId);
        }
        return new KafkaProducer<>(config, new StringSerializer(), new StringSerializer());
    }

    private Properties client(String group, String id) {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("group.id", group);
        config.put("client.id", id);
        config.put("key.deserializer", StringDeserializer.class.getName());
        config.put("value.deserializer", StringDeserializer.class.getName());
        return config;
    }

    private KafkaConsumer<String, String> consumer(String protocol, String group, String id, Optional<String> instance) {
        Properties config = client(group, id);
        config.put("group.protocol", protocol);
        config.put("enable.auto.commit", "false");
        config.put("auto.offset.reset", "earliest");
        config.put("max.poll.records", "7");
        instance.ifPresent(name -> config.put("group.instance.id", name));
        KafkaConsumer<String, String> consumer = new KafkaConsumer<>(config);
        consumer.subscribe(List.of(TOPIC));
        return consumer;
    }

    // Until all have what they are to have.
    private static void settle(Collection<KafkaConsumer<String, String>> consumers) {
        for (int turn = 0; turn < 100; turn++) {
            consumers.forEach(consumer -> consumer.poll(Duration.ofMillis(60)));
        }
    }

    private void describe(PrintStream out) throws Exception {
        Map<TopicPartition, OffsetSpec> ends = new TreeMap<>((one, two) -> one.toString().compareTo(two.toString()));
        for (int partition = 0; partition < PARTITIONS; partition++) {
            ends.put(at(partition), OffsetSpec.latest());
        }
        for (var end : admin.listOffsets(ends).all().get().entrySet()) {
            out.printf("{\"type\":\"end\",\"at\":\"%s\",\"offset\":%d}%n", end.getKey(), end.getValue().offset());
        }
        for (GroupListing listing : admin.listGroups().all().get()) {
            String group = listing.groupId();
            String kind = listing.type().map(Object::toString).orElse("");
            out.printf("{\"type\":\"group\",\"group\":\"%s\",\"kind\":\"%s\",\"state\":\"%s\"}%n", group, kind, listing.groupState().get());
            if (kind.equals("Share")) {
                continue;
            }
            for (var commit : admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().entrySet()) {
                out.printf("{\"type\":\"offset\",\"group\":\"%s\",\"at\":\"%s\",\"offset\":%d}%n", group, commit.getKey(), commit.getValue().offset());
            }
            try {
                ConsumerGroupDescription said = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
                for (MemberDescription member : said.members()) {
                    String assigned = member.assignment().topicPartitions().stream().map(TopicPartition::toString).sorted().collect(Collectors.joining(","));
                    out.printf("{\"type\":\"member\",\"group\":\"%s\",\"member_id\":\"%s\",\"client_id\":\"%s\",\"host\":\"%s\",\"instance\":\"%s\",\"assigned\":\"%s\"}%n", group, member.consumerId(), member.clientId(), member.host(), member.groupInstanceId().orElse(""), assigned);
                }
            } catch (ExecutionException error) {
                System.err.println(group + ": " + error.getMessage());
            }
        }
    }
}

// Logs of Kafka's internal topics with a record of each type and version that Kafka knows, made at
// random by Kafka's own schemas, sound ones and damaged ones.
//
//   InternalTopics OUT     writes OUT/<topic>-0/00000000000000000000.log
package oracle;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Random;
import java.util.TreeMap;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.message.ConsumerProtocolAssignment;
import org.apache.kafka.common.message.ConsumerProtocolSubscription;
import org.apache.kafka.common.metadata.MetadataRecordType;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Field;
import org.apache.kafka.common.protocol.types.RawTaggedField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.Struct;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.SimpleRecord;
import org.apache.kafka.common.utils.ByteUtils;
import org.apache.kafka.coordinator.group.generated.ConsumerGroupMemberMetadataValue;
import org.apache.kafka.coordinator.group.generated.StreamsGroupMemberMetadataValue;

public final class InternalTopics {
    private static final int RECORDS_A_BATCH = 7;
    private static final int INSTANCES = 3;
    private static final long FIRST_TIMESTAMP = 1_700_000_000_000L;
    private static final String[] LETTERS = {
        "a", "b", "topic", "-", "7", "\u00e9", "\"", "\\", "\n", "\u0001", "\u001f", "\ud83d\ude00", "/", "\u007f"
    };

    private final Random random = new Random(1);
    private final List<SimpleRecord> records = new ArrayList<>();

    public static void main(String[] args) throws Exception {
        Path out = Path.of(args[0]);
        InternalTopics offsets = new InternalTopics();
        for (var type : org.apache.kafka.coordinator.group.generated.CoordinatorRecordType.values()) {
            offsets.add(type.id(), type.newRecordKey(), type.newRecordValue());
        }
        offsets.addConsumers();
        offsets.addClassicMembers();
        offsets.addStreamsMembers();
        offsets.addStrangers();
        offsets.write(out.resolve("__consumer_offsets-0"));
        InternalTopics transactions = new InternalTopics();
        for (var type : org.apache.kafka.coordinator.transaction.generated.CoordinatorRecordType.values()) {
            transactions.add(type.id(), type.newRecordKey(), type.newRecordValue());
        }
        transactions.addStrangers();
        transactions.write(out.resolve("__transaction_state-0"));
        InternalTopics share = new InternalTopics();
        for (var type : org.apache.kafka.coordinator.share.generated.CoordinatorRecordType.values()) {
            share.add(type.id(), type.newRecordKey(), type.newRecordValue());
        }
        share.addStrangers();
        share.write(out.resolve("__share_group_state-0"));
        InternalTopics metadata = new InternalTopics();
        for (MetadataRecordType type : MetadataRecordType.values()) {
            metadata.addMetadata(type.id(), type.newMetadataRecord());
        }
        metadata.write(out.resolve("__cluster_metadata-0"));
    }

    // A coordinator's records of one type: each version, tombstones, and damaged ones.
    private void add(short type, ApiMessage key, ApiMessage value) throws Exception {
        for (short version = value.lowestSupportedVersion(); version <= value.highestSupportedVersion(); version++) {
            for (int instance = 0; instance < INSTANCES; instance++) {
                byte[] keyBytes = numbered(type, message(key, (short) 0));
                byte[] valueBytes = numbered(version, message(value, version));
                put(keyBytes, valueBytes);
                put(keyBytes, null);
                put(keyBytes, Arrays.copyOf(valueBytes, random.nextInt(valueBytes.length)));
                put(keyBytes, Arrays.copyOf(valueBytes, valueBytes.length + 3));
            }
        }
        byte[] keyBytes = numbered(type, message(key, (short) 0));
        byte[] valueBytes = message(value, value.highestSupportedVersion());
        put(keyBytes, numbered((short) (value.highestSupportedVersion() + 1), valueBytes));
        put(keyBytes, numbered((short) -1, valueBytes));
        put(Arrays.copyOf(keyBytes, random.nextInt(keyBytes.length)), null);
        put(Arrays.copyOf(keyBytes, keyBytes.length + 1), null);
    }

    private void addStrangers() throws IOException {
        for (short type : new short[] {-1, 9, 99, Short.MAX_VALUE}) {
            put(numbered(type, new byte[] {0, 1, 'x'}), new byte[] {0, 0});
            put(numbered(type, new byte[0]), null);
        }
        put(new byte[0], null);
    }

    // Classic groups of consumers: the members say something that is a message again, or is not.
    private void addConsumers() throws Exception {
        var value = new org.apache.kafka.coordinator.group.generated.GroupMetadataValue();
        var key = new org.apache.kafka.coordinator.group.generated.GroupMetadataKey();
        for (short version = 0; version <= value.highestSupportedVersion(); version++) {
            for (short inner = 0; inner <= 4; inner++) {
                Struct struct = (Struct) any(schemaOf(value, version), 0);
                struct.set("protocol_type", "consumer");
                List<Object> members = new ArrayList<>();
                for (int number = 0; number < 2; number++) {
                    Schema member = (Schema) struct.schema().get("members").def.type.arrayElementType().get();
                    Struct said = (Struct) any(member, 1);
                    said.set("subscription", ByteBuffer.wrap(embedded(new ConsumerProtocolSubscription(), inner)));
                    said.set("assignment", ByteBuffer.wrap(embedded(new ConsumerProtocolAssignment(), inner)));
                    members.add(said);
                }
                struct.set("members", members.toArray());
                put(numbered((short) 2, message(key, (short) 0)), numbered(version, bytes(struct)));
            }
        }
    }

    // Members that use the classic protocol in a consumer group: a structure with a tag, which may
    // be null, or as if it were not there.
    private void addClassicMembers() {
        var key = new org.apache.kafka.coordinator.group.generated.ConsumerGroupMemberMetadataKey();
        for (int number = 0; number < 5; number++) {
            var classic = new ConsumerGroupMemberMetadataValue.ClassicMemberMetadata();
            for (int protocol = 1; protocol < number; protocol++) {
                classic.supportedProtocols().add(new ConsumerGroupMemberMetadataValue.ClassicProtocol()
                    .setName(text())
                    .setMetadata(text().getBytes(java.nio.charset.StandardCharsets.UTF_8)));
            }
            var value = new ConsumerGroupMemberMetadataValue()
                .setClientId(text())
                .setSubscribedTopicNames(List.of(text()))
                .setClassicMemberMetadata(number == 0 ? null : classic.setSessionTimeoutMs(number / 2));
            byte[] valueBytes = MessageUtil.toVersionPrefixedBytes((short) 0, value);
            put(MessageUtil.toCoordinatorTypePrefixedBytes(key.setGroupId(text()).setMemberId(text())), valueBytes);
        }
    }

    // Members of streams groups: a structure without a tag that may be null.
    private void addStreamsMembers() {
        var key = new org.apache.kafka.coordinator.group.generated.StreamsGroupMemberMetadataKey();
        for (int number = 0; number < 4; number++) {
            var value = new StreamsGroupMemberMetadataValue()
                .setRackId(number == 2 ? null : text())
                .setClientId(text())
                .setClientHost(text())
                .setProcessId(text())
                .setTopologyEpoch((int) number(32));
            if (number > 0) {
                value.setUserEndpoint(new StreamsGroupMemberMetadataValue.Endpoint()
                    .setHost(text())
                    .setPort(number * 20_000));
            }
            if (number > 1) {
                value.clientTags().add(new StreamsGroupMemberMetadataValue.KeyValue().setKey(text()).setValue(text()));
            }
            byte[] valueBytes = MessageUtil.toVersionPrefixedBytes((short) 0, value);
            put(MessageUtil.toCoordinatorTypePrefixedBytes(key.setGroupId(text()).setMemberId(text())), valueBytes);
        }
    }

    private byte[] embedded(ApiMessage message, short version) throws Exception {
        short known = (short) Math.min(version, message.highestSupportedVersion());
        byte[] bytes = numbered(version, message(message, known));
        return random.nextInt(4) == 0 ? Arrays.copyOf(bytes, random.nextInt(bytes.length)) : bytes;
    }

    // A record of the metadata log: each version, and damaged ones.
    private void addMetadata(short type, ApiMessage message) throws Exception {
        for (short version = message.lowestSupportedVersion(); version <= message.highestSupportedVersion(); version++) {
            for (int instance = 0; instance < INSTANCES; instance++) {
                byte[] value = framed(1, type, version, message(message, version));
                put(null, value);
                put(null, Arrays.copyOf(value, random.nextInt(value.length)));
                put(null, Arrays.copyOf(value, value.length + 1));
            }
        }
        byte[] body = message(message, message.highestSupportedVersion());
        put(null, framed(1, type, (short) (message.highestSupportedVersion() + 1), body));
        put(null, framed(random.nextInt(2) * 5, type, (short) 0, body));
        put(null, framed(1, (short) (type + 100), (short) 0, body));
    }

    private static byte[] framed(int frame, short type, short version, byte[] body) {
        ByteBuffer buffer = ByteBuffer.allocate(15 + body.length);
        ByteUtils.writeUnsignedVarint(frame, buffer);
        ByteUtils.writeUnsignedVarint(type, buffer);
        ByteUtils.writeUnsignedVarint(version, buffer);
        buffer.put(body);
        return Arrays.copyOf(buffer.array(), buffer.position());
    }

    private static byte[] numbered(short number, byte[] body) {
        return ByteBuffer.allocate(2 + body.length).putShort(number).put(body).array();
    }

    private void put(byte[] key, byte[] value) {
        records.add(new SimpleRecord(FIRST_TIMESTAMP + records.size(), key, value));
    }

    private void write(Path dir) throws IOException {
        Files.createDirectories(dir);
        Path file = dir.resolve("00000000000000000000.log");
        Files.deleteIfExists(file);
        try (FileChannel out = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            for (int first = 0; first < records.size(); first += RECORDS_A_BATCH) {
                int end = Math.min(first + RECORDS_A_BATCH, records.size());
                SimpleRecord[] batch = records.subList(first, end).toArray(new SimpleRecord[0]);
                MemoryRecords made = MemoryRecords.withRecords(first, Compression.NONE, batch);
                made.writeFullyTo(out);
            }
        }
        System.out.println(file + ": " + records.size() + " records");
    }

    private byte[] message(ApiMessage message, short version) throws Exception {
        return bytes((Struct) any(schemaOf(message, version), 0));
    }

    private static Schema schemaOf(ApiMessage message, short version) throws Exception {
        Schema[] schemas = (Schema[]) message.getClass().getField("SCHEMAS").get(null);
        return schemas[version];
    }

    private static byte[] bytes(Struct struct) {
        ByteBuffer buffer = ByteBuffer.allocate(struct.sizeOf());
        struct.writeTo(buffer);
        return buffer.array();
    }

    private Object any(Type type, int depth) {
        if (type.isNullable() && random.nextInt(3) == 0) {
            return null;
        }
        if (type instanceof Schema schema) {
            Struct struct = new Struct(schema);
            for (BoundField field : schema.fields()) {
                struct.set(field, any(field.def.type, depth + 1));
            }
            return struct;
        }
        if (type.arrayElementType().isPresent()) {
            Object[] items = new Object[random.nextInt(depth > 2 ? 2 : 4)];
            for (int index = 0; index < items.length; index++) {
                items[index] = any(type.arrayElementType().get(), depth + 1);
            }
            return items;
        }
        if (type instanceof TaggedFields tagged) {
            NavigableMap<Integer, Object> tags = new TreeMap<>();
            for (Map.Entry<Integer, Field> tag : tagged.fields().entrySet()) {
                // The schemas do not have the number in front of these; see addClassicMembers.
                if (random.nextInt(3) > 0 && !(tag.getValue().type instanceof Schema)) {
                    tags.put(tag.getKey(), any(tag.getValue().type, depth + 1));
                }
            }
            if (random.nextInt(4) == 0) {
                tags.put(100, new RawTaggedField(100, new byte[random.nextInt(4)]));
            }
            return tags;
        }
        return switch (type.toString().replace("COMPACT_", "").replace("NULLABLE_", "")) {
            case "BOOLEAN" -> random.nextBoolean();
            case "INT8" -> (byte) number(8);
            case "INT16" -> (short) number(16);
            case "UINT16" -> (int) number(16) & 0xffff;
            case "INT32" -> (int) number(32);
            case "INT64" -> number(64);
            case "FLOAT64" -> Math.pow(10, random.nextInt(40) - 20) * random.nextInt(1000);
            case "STRING" -> text();
            case "BYTES" -> ByteBuffer.wrap(text().getBytes(java.nio.charset.StandardCharsets.UTF_8));
            case "UUID" -> random.nextInt(4) == 0 ? Uuid.ZERO_UUID : new Uuid(random.nextLong(), random.nextLong());
            default -> throw new IllegalStateException("what is " + type + "?");
        };
    }

    // Often one of the small numbers that are defaults.
    private long number(int bits) {
        return random.nextBoolean() ? random.nextInt(4) - 2 : random.nextLong() >> (64 - bits);
    }

    private String text() {
        StringBuilder text = new StringBuilder();
        for (int left = random.nextInt(4); left > 0; left--) {
            text.append(LETTERS[random.nextInt(LETTERS.length)]);
        }
        return text.toString();
    }
}

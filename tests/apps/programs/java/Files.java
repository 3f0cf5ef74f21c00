import static java.nio.file.Files.*;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.Pipe;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Files by NIO, mapped files, locks, pipes, and random bytes. */
class Files {
    static void run() throws Exception {
        Path folder = createTempDirectory("tour");
        names(folder);
        mapped(folder.resolve("mapped"));
        direct(folder.resolve("direct"));
        try (Stream<Path> all = walk(folder)) {
            for (Path path : all.sorted(Comparator.reverseOrder()).collect(Collectors.toList())) delete(path);
        }
        Pipe pipe = Pipe.open();
        pipe.sink().write(ByteBuffer.wrap("piped".getBytes()));
        ByteBuffer text = ByteBuffer.allocate(16);
        pipe.source().read(text);
        System.out.println("pipe: " + new String(text.array(), 0, text.position()) + ", gone: " + !exists(folder));
        byte[] random = new byte[64], other = new byte[64];
        new SecureRandom().nextBytes(random);
        SecureRandom.getInstanceStrong().nextBytes(other);
        System.out.println("random: " + !java.util.Arrays.equals(random, other));
    }

    private static void names(Path folder) throws IOException {
        for (int index = 0; index < 50; index++) writeString(folder.resolve("file" + index), "text " + index);
        createSymbolicLink(folder.resolve("link"), Path.of("file7"));
        setPosixFilePermissions(folder.resolve("file7"), PosixFilePermissions.fromString("rw-r-----"));
        move(folder.resolve("file8"), folder.resolve("moved"));
        copy(folder.resolve("file9"), folder.resolve("copied"));
        try (Stream<Path> listed = list(folder)) {
            System.out.println("files: " + listed.count() + " " + readString(folder.resolve("link")) + " "
                + readString(folder.resolve("copied")) + " "
                + PosixFilePermissions.toString(getPosixFilePermissions(folder.resolve("link"))));
        }
        try {
            readAllLines(folder.resolve("file8"));
        } catch (NoSuchFileException exception) {
            System.out.println("missing: " + exception.getFile().endsWith("file8"));
        }
        List<String> status = readAllLines(Path.of("/proc/self/status"));
        System.out.println("status: " + status.get(0));
    }

    private static void mapped(Path path) throws IOException {
        int length = 3 << 20;
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            MappedByteBuffer pages = file.getChannel().map(FileChannel.MapMode.READ_WRITE, 0, length);
            for (int at = 0; at < length; at += 4096) pages.putInt(at, at);
            pages.force();
            file.seek(8192);
            int seen = file.readInt();
            file.seek(4096);
            file.writeInt(7);
            MappedByteBuffer own = file.getChannel().map(FileChannel.MapMode.PRIVATE, 0, length);
            own.putInt(0, 99);
            System.out.println("mapped: " + seen + " " + pages.getInt(4096) + " " + pages.getInt(0) + " " + own.getInt(0)
                + " " + file.length());
        }
    }

    private static void direct(Path path) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocateDirect(1 << 16);
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.READ,
                StandardOpenOption.WRITE); var held = channel.lock()) {
            channel.write(buffer, 100);
            channel.truncate(5000);
            buffer.clear();
            System.out.println("direct: " + channel.size() + " " + channel.read(buffer, 4000) + " " + held.isValid());
        }
    }
}

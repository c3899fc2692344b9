package ringbrook.clients.format;

import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import ringbrook.clients.Check;

/**
 * The zeros that a killed broker leaves behind the last batch of a partition's active segment, for
 * appends that would have overwritten them (engine/FORMAT.md, "Order of writes"). Kafka leaves such
 * with {@code log.preallocate}; its recovery cuts them off, and its tools complain of them.
 */
final class ZerosAhead {
    /** A batch's base offset and its length, which counts what follows. */
    private static final int PREFIX_BYTES = 12;

    private ZerosAhead() {
    }

    /**
     * A copy of a log dir with each log cut right behind its last batch, after a look that nothing
     * but zeros was there, and no zeros but in active segments. Returns how many were cut.
     */
    static int cut(Path logDir, Path copy) throws Exception {
        Node.copy(logDir, copy);
        int cut = 0;
        for (Path partition : Dump.partitions(copy)) {
            List<Path> logs = Content.files(partition, ".log");
            for (Path log : logs) {
                long end = batchesEnd(log);
                if (end == Files.size(log)) {
                    continue;
                }
                Check.same("the segment with zeros behind it", logs.get(logs.size() - 1), log);
                Check.isTrue("only zeros are behind " + end + " in " + log, isZeroFrom(log, end));
                try (RandomAccessFile file = new RandomAccessFile(log.toFile(), "rw")) {
                    file.setLength(end);
                }
                cut++;
            }
        }
        return cut;
    }

    /** Whether a log ends with the batch before {@code position} but for zeros. */
    static boolean isAllBehind(Path log, long position) throws Exception {
        return batchesEnd(log) == position && position < Files.size(log)
            && isZeroFrom(log, position);
    }

    /** Where the last batch ends, by the lengths of the batches alone. */
    private static long batchesEnd(Path log) throws Exception {
        try (FileChannel file = FileChannel.open(log, StandardOpenOption.READ)) {
            ByteBuffer prefix = ByteBuffer.allocate(PREFIX_BYTES);
            long position = 0;
            while (position + PREFIX_BYTES <= file.size()) {
                file.read(prefix.clear(), position);
                int length = prefix.getInt(8);
                if (length <= 0) {
                    break;
                }
                position += PREFIX_BYTES + length;
            }
            return position;
        }
    }

    private static boolean isZeroFrom(Path log, long position) throws Exception {
        byte[] bytes = Files.readAllBytes(log);
        for (int i = Math.toIntExact(position); i < bytes.length; i++) {
            if (bytes[i] != 0) {
                return false;
            }
        }
        return true;
    }
}

// Kafka's clock, standing still where it is set: expiry and horizons depend on nothing else.
package oracle;

import java.util.function.Supplier;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.common.utils.Timer;

final class Clock implements Time {
    private volatile long nowMs;

    Clock(long nowMs) {
        this.nowMs = nowMs;
    }

    void set(long nowMs) {
        this.nowMs = nowMs;
    }

    @Override
    public long milliseconds() {
        return nowMs;
    }

    @Override
    public long hiResClockMs() {
        return nowMs;
    }

    @Override
    public long nanoseconds() {
        return System.nanoTime();
    }

    @Override
    public void sleep(long ms) {
        Time.SYSTEM.sleep(ms);
    }

    @Override
    public void waitObject(Object object, Supplier<Boolean> condition, long deadlineMs)
            throws InterruptedException {
        Time.SYSTEM.waitObject(object, condition, deadlineMs);
    }

    @Override
    public Timer timer(long timeoutMs) {
        return Time.SYSTEM.timer(timeoutMs);
    }
}

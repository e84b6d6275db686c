package apache

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"
)

// Require returns the installation, or skips the test where Java or Maven is missing, and with -short.
func Require(t testing.TB) *Installation {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: Apache Kafka is not asked")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	i, err := Install(ctx)
	if errors.Is(err, ErrMissing) && os.Getenv(RequireVariable) != "1" {
		t.Skipf("This test compares with Apache Kafka: %v. Set %s=1 to make that a failure.", err, RequireVariable)
	}
	if err != nil {
		t.Fatalf("Apache Kafka cannot be had: %v", err)
	}
	return i
}

// FreeAddress is an address of the loopback interface where nobody listens, see FreePorts.
func FreeAddress(t testing.TB) string {
	t.Helper()
	ports, err := FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	return Loopback(ports[0])
}

// StartZooKeeper starts a ZooKeeper that ends with the test.
func StartZooKeeper(t testing.TB) *ZooKeeper {
	t.Helper()
	z, err := Require(t).StartZooKeeper(ZooKeeperOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatalf("Apache ZooKeeper: %v", err)
	}
	t.Cleanup(func() {
		// Killed, not stopped: nobody reads what it would still write, and it is quicker.
		z.Kill()
		showIfFailed(t, z.Process)
	})
	return z
}

// StartBroker starts a broker that ends with the test. If o.Dir is empty it gets a directory that ends with
// the test, too. To see a clean shutdown call Stop; what is left at the end of the test is killed.
func StartBroker(t testing.TB, o BrokerOptions) *Broker {
	t.Helper()
	i := Require(t)
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	b, err := i.StartBroker(o)
	if err != nil {
		t.Fatalf("Apache Kafka: %v", err)
	}
	t.Cleanup(func() {
		b.Kill()
		showIfFailed(t, b.Process)
	})
	return b
}

func showIfFailed(t testing.TB, p *Process) {
	if t.Failed() {
		t.Logf("%s printed:\n%s", p.name, tail(p.Output()))
	}
}

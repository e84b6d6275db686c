package testcluster_test

import (
	"testing"
	"time"

	"ottla/integration/testcluster"
)

func TestStart(t *testing.T) {
	for _, n := range []int{1, 3} {
		begin := time.Now()
		c := testcluster.Start(t, n)
		t.Logf("%d brokers ready after %v", n, time.Since(begin))
		begin = time.Now()
		c.CreateTopic("orders", 3, n, nil)
		t.Logf("topic after %v", time.Since(begin))
	}
}

package network

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestBucketsFollowEachOther(t *testing.T) {
	for i := range 61 * 8 {
		if got := bucketOf(bucketStart(i)); got != i {
			t.Fatalf("bucket %d starts at %d, which belongs to bucket %d", i, bucketStart(i), got)
		}
		if i > 0 && bucketOf(bucketStart(i)-1) != i-1 {
			t.Fatalf("%d is not in bucket %d", bucketStart(i)-1, i-1)
		}
	}
	if got := bucketOf(math.MaxUint64); got >= 64*8 {
		t.Errorf("the largest value is in bucket %d", got)
	}
}

func TestQuantilesForgetAfterAWhile(t *testing.T) {
	var h histogram
	now := time.Now()
	for v := range uint64(1000) {
		h.observe(v * 1000)
	}
	got := h.quantiles(now, microsPerMilli, 0.5, 0.99)
	if got[0.5] < 437 || got[0.5] > 500 || got[0.99] < 860 || got[0.99] > 990 {
		t.Errorf("of 0 to 999 ms: %v", got)
	}
	h.quantiles(now.Add(histogramPeriod), microsPerMilli, 0.5)
	h.observe(1000)
	if got := h.quantiles(now.Add(histogramPeriod+1), microsPerMilli, 0.5); got[0.5] < 437 {
		t.Errorf("a period later they are gone: %v", got)
	}
	h.quantiles(now.Add(2*histogramPeriod), microsPerMilli, 0.5)
	if got := h.quantiles(now.Add(2*histogramPeriod+1), microsPerMilli, 0.5); got[0.5] > 1 {
		t.Errorf("two periods later they are still there: %v", got)
	}
}

func TestMetrics(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	s := start(t, Options{Metrics: registry, APIName: func(int16) string { return "LIST_OFFSETS" }}, handlerFunc(echo))
	c := dial(t, s)
	for i := range int32(3) {
		c.send(frame(2, 5, i, "x"))
		c.expect(i, "x")
	}
	want := `
# HELP kafka_network_requestmetrics_requests_total Requests answered, by API and version.
# TYPE kafka_network_requestmetrics_requests_total counter
kafka_network_requestmetrics_requests_total{request="ListOffsets",version="5"} 3
# HELP kafka_server_socket_server_metrics_connection_count Connections open now.
# TYPE kafka_server_socket_server_metrics_connection_count gauge
kafka_server_socket_server_metrics_connection_count{listener="PLAINTEXT"} 1
# HELP kafka_server_socket_server_metrics_incoming_byte_total Bytes of requests.
# TYPE kafka_server_socket_server_metrics_incoming_byte_total counter
kafka_server_socket_server_metrics_incoming_byte_total{listener="PLAINTEXT"} 51
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "kafka_network_requestmetrics_requests_total",
		"kafka_server_socket_server_metrics_connection_count", "kafka_server_socket_server_metrics_incoming_byte_total"); err != nil {
		t.Error(err)
	}
	s.Close()
	if n, err := testutil.GatherAndCount(registry); n != 0 || err != nil {
		t.Errorf("%d series after Close, %v", n, err)
	}
}

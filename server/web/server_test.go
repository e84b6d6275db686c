package web

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"
)

func TestServer(t *testing.T) {
	defer goleak.VerifyNone(t)
	log := logrus.New()
	log.SetOutput(io.Discard)
	metrics := prometheus.NewRegistry()
	prometheus.WrapRegistererWith(prometheus.Labels{"topic": "orders"}, metrics).MustRegister(
		prometheus.NewCounter(prometheus.CounterOpts{Name: "kafka_server_brokertopicmetrics_bytesin_total"}))
	var health error
	s, err := Start(Options{
		Address: "127.0.0.1:0", Title: "broker 1", Metrics: metrics, Log: log,
		Health: func() error { return health },
		Parts: []Part{
			{"network", func() any { return map[string]int{"open": 3} }},
			{"log", func() any { return []struct{ Dir string }{{"/data"}} }},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	get := func(path string) (int, string) {
		t.Helper()
		answer, err := client.Get("http://" + s.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(body)
	}

	if code, body := get("/metrics"); code != 200 || !strings.Contains(body, `bytesin_total{topic="orders"} 0`) {
		t.Errorf("/metrics: %d, %s", code, body)
	}
	if code, body := get("/healthz"); code != 200 || body != "ok\n" {
		t.Errorf("/healthz: %d, %s", code, body)
	}
	health = errors.New("no log directory is left")
	if code, body := get("/healthz"); code != 503 || !strings.Contains(body, "no log directory") {
		t.Errorf("/healthz: %d, %s", code, body)
	}
	var got picture
	if code, body := get("/snapshot"); code != 200 || json.Unmarshal([]byte(body), &got) != nil ||
		got.Title != "broker 1" || len(got.Parts) != 2 || got.Parts[0].Name != "network" {
		t.Errorf("/snapshot: %d, %s", code, body)
	}
	code, body := get("/")
	if code != 200 || !strings.Contains(body, "<title>Ottla</title>") {
		t.Errorf("/: %d, %s", code, body)
	}
	if external := regexp.MustCompile(`(src|href|url)\s*[=(]\s*"?(https?:)?//[^"]*`).FindString(body); external != "" {
		t.Errorf("the page loads %s", external)
	}
	if code, _ := get("/etc/passwd"); code != 404 {
		t.Errorf("an unknown path: %d", code)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

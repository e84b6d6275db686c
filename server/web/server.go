package web

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/sirupsen/logrus"
)

//go:embed index.html
var page []byte

// Part is one part of the broker. Snapshot is called for each request of /snapshot, from any goroutine; what
// it returns is encoded as JSON afterwards, so it must not change any more.
type Part struct {
	Name     string
	Snapshot func() any
}

// Options says what a Server shows.
type Options struct {
	Address string // host:port; port 0 for a free one
	Title   string // of the page, as "broker 1"
	// Parts in the order in which the page shows them.
	Parts   []Part
	Metrics prometheus.Gatherer
	Health  func() error // nil means always healthy
	Listen  func(network, address string) (net.Listener, error)
	Log     logrus.FieldLogger
}

// Server serves the pages. It owns its goroutines until Close.
type Server struct {
	options  Options
	listener net.Listener
	http     http.Server
	wg       sync.WaitGroup
}

// Start listens and serves.
func Start(o Options) (*Server, error) {
	if o.Listen == nil {
		o.Listen = net.Listen
	}
	listener, err := o.Listen("tcp", o.Address)
	if err != nil {
		return nil, fmt.Errorf("listen for HTTP on %s: %w", o.Address, err)
	}
	s := &Server{options: o, listener: listener}
	s.http = http.Server{
		Handler:           s.routes(),
		ErrorLog:          errWriter{o.Log}.logger(),
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
	}
	s.wg.Go(func() {
		if err := s.http.Serve(listener); err != http.ErrServerClosed {
			o.Log.Errorf("HTTP on %s has ended: %v", listener.Addr(), err)
		}
	})
	return s, nil
}

// Addr returns the address it listens on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Close ends listener and connections. Requests under way have a second to finish.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = s.http.Close()
	}
	s.wg.Wait()
	return err
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /snapshot", s.snapshot)
	mux.HandleFunc("GET /healthz", s.health)
	if s.options.Metrics != nil {
		mux.Handle("GET /metrics", promhttp.HandlerFor(s.options.Metrics, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	}
	return mux
}

func (s *Server) page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'self' 'unsafe-inline'; frame-ancestors 'none'")
	_, _ = w.Write(page)
}

// picture is the answer of /snapshot. Parts is a list, since their order means something.
type picture struct {
	Title string        `json:"title"`
	Time  time.Time     `json:"time"`
	Parts []partPicture `json:"parts"`
}

type partPicture struct {
	Name  string `json:"name"`
	State any    `json:"state"`
}

func (s *Server) snapshot(w http.ResponseWriter, _ *http.Request) {
	now := picture{Title: s.options.Title, Time: time.Now()}
	for _, part := range s.options.Parts {
		now.Parts = append(now.Parts, partPicture{part.Name, part.Snapshot()})
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if err := json.NewEncoder(w).Encode(now); err != nil {
		s.options.Log.Debugf("The picture of the broker was not sent: %v", err)
	}
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	if s.options.Health != nil {
		if err := s.options.Health(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
	}
	_, _ = io.WriteString(w, "ok\n")
}

// Package web shows the broker to people and to Prometheus, over HTTP:
//
//	/           one page, the live picture of the broker; it loads nothing from elsewhere
//	/snapshot   what the page shows, as JSON: one entry for each part, as its Snapshot tells
//	/metrics    Prometheus metrics, named as the usual JMX exporter rules name Kafka's
//	/healthz    200 while the broker serves, else 503 with the reason
//
// The package knows no part of the broker. Each is a function that returns something for encoding/json, and
// the page draws whatever shape it finds: an object as a list of names and values, a list of objects as a table.
// It only reads; nothing can be changed here.
package web

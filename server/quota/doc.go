// Package quota bounds how fast bytes go, as Apache Kafka's quotas do: by a rate that is measured over a window of samples, and
// a question, asked before each piece of work, of whether the rate is above its bound.
//
// So a bound is kept on average, and nothing is ever held half way: what was allowed is done in one piece, counted afterwards,
// and paid for by what must wait.
package quota

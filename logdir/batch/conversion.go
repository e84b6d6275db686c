package batch

import "time"

// Conversion is what it has cost that records are not stored, or sent, as they came.
type Conversion struct {
	Records   int           // that were written anew, in another format or compressed otherwise
	Temporary int           // bytes of memory that it took, those of records that were only looked into included
	Took      time.Duration // for the records that were written anew
}

// Add sums up.
func (c *Conversion) Add(more Conversion) {
	c.Records += more.Records
	c.Temporary += more.Temporary
	c.Took += more.Took
}

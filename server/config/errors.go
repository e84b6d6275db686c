package config

// UnknownKeyError is a name that no table holds.
type UnknownKeyError struct {
	// Kind is what it was set for: topic.
	Kind string
	Name string
}

func (e *UnknownKeyError) Error() string { return "Unknown " + e.Kind + " config name: " + e.Name }

// ConflictError is a topic's settings that do not go together. Its text is Kafka's.
type ConflictError struct{ Text string }

func (e *ConflictError) Error() string { return e.Text }

// TieredStorageError refuses remote.storage.enable, since there is nowhere to move segments to. Its text
// is Kafka's.
type TieredStorageError struct{}

func (*TieredStorageError) Error() string {
	return "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage."
}

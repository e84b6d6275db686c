package zkcoord

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"ottla/zkcoord/cluster"
)

// Each target states the same two things: bad data is ErrMalformed and never a panic, and what was
// understood is written and read again unchanged.

func seeds(f *testing.F, texts ...string) {
	for _, text := range append(texts, "", "null", "{}", "[]", `{"version":1}`, `{"partitions":{"-1":[]}}`, `{"partitions":null}`) {
		f.Add([]byte(text))
	}
}

func checkMalformed(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, ErrMalformed) {
		t.Errorf("%v is not ErrMalformed", err)
	}
}

func FuzzBroker(f *testing.F) {
	seeds(f, kafkaBroker, kafkaTwoListeners, kafkaBroker26, `{"version":1,"host":"h","port":1,"jmx_port":-1,"timestamp":"1"}`,
		`{"version":1,"host":"","port":-1}`)
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := decodeBroker(1, data)
		if err != nil {
			checkMalformed(t, err)
			return
		}
		again, err := decodeBroker(1, encodeBroker(b))
		if err != nil || len(again.Endpoints) != len(b.Endpoints) || again.Rack != b.Rack {
			t.Errorf("%+v became %+v, %v", b, again, err)
		}
	})
}

func FuzzTopic(f *testing.F) {
	seeds(f, kafkaTopic, kafkaTopic26, kafkaReassigning)
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := decodeTopic("t", data)
		if err != nil {
			checkMalformed(t, err)
			return
		}
		encoded := encodeTopic(a)
		again, err := decodeTopic("t", encoded)
		if err != nil || !bytes.Equal(encoded, encodeTopic(again)) {
			t.Errorf("%s became %+v, %v", encoded, again, err)
		}
	})
}

func FuzzState(f *testing.F) {
	seeds(f, kafkaState, kafkaUnclean)
	f.Fuzz(func(t *testing.T, data []byte) {
		tp := cluster.TopicPartition{Topic: "t"}
		s, err := decodeState(tp, data, 3)
		if err != nil {
			checkMalformed(t, err)
			return
		}
		if again, err := decodeState(tp, encodeState(s), 3); err != nil || !reflect.DeepEqual(s, again) {
			t.Errorf("%+v became %+v, %v", s, again, err)
		}
	})
}

func FuzzConfig(f *testing.F) {
	seeds(f, `{"version":1,"config":{"retention.ms":"3600000"}}`, `{"version":1,"config":{"a":null}}`)
	f.Fuzz(func(t *testing.T, data []byte) {
		config, err := decodeConfig("/config/topics/t", data)
		if err != nil {
			checkMalformed(t, err)
			return
		}
		if again, err := decodeConfig("", encodeConfig(config)); err != nil || !reflect.DeepEqual(config, again) {
			t.Errorf("%+v became %+v, %v", config, again, err)
		}
	})
}

func FuzzSmallZnodes(f *testing.F) {
	seeds(f, kafkaClusterID, kafkaController, kafkaFeature, kafkaProducerIDs, kafkaISRChange, kafkaLogDirEvent, kafkaReassign, kafkaChange, "1", "-1",
		`{"version":1,"epoch":12}`)
	f.Fuzz(func(t *testing.T, data []byte) {
		if id, err := decodeClusterID(data); err != nil {
			checkMalformed(t, err)
		} else if again, err := decodeClusterID(encodeClusterID(id)); err != nil || again != id {
			t.Errorf("cluster id %q became %q, %v", id, again, err)
		}
		if _, err := decodeController(data); err != nil {
			checkMalformed(t, err)
		}
		if _, _, err := decodeFeature(data); err != nil {
			checkMalformed(t, err)
		}
		if b, err := decodeProducerIDs(data); err != nil {
			checkMalformed(t, err)
		} else if b.First < 0 || b.Last < b.First {
			t.Errorf("block %+v", b)
		}
		if tps, err := decodePartitions("", data); err != nil {
			checkMalformed(t, err)
		} else if again, err := decodePartitions("", encodePartitions(tps)); err != nil || !reflect.DeepEqual(tps, again) {
			t.Errorf("%v became %v, %v", tps, again, err)
		}
		if target, err := decodeReassignment(data); err != nil {
			checkMalformed(t, err)
		} else if again, err := decodeReassignment(encodeReassignment(target)); err != nil || len(again) != len(target) {
			t.Errorf("%v became %v, %v", target, again, err)
		}
		if _, err := decodeLogDirEvent("", data); err != nil {
			checkMalformed(t, err)
		}
		if path, err := decodeConfigChange("", data); err != nil {
			checkMalformed(t, err)
		} else if path == "" {
			t.Error("a change of nothing")
		}
		if _, err := decodeTwin("", data); err != nil {
			checkMalformed(t, err)
		}
		if n, err := decodeNumber("", data, 32); err != nil {
			checkMalformed(t, err)
		} else if n < -1<<31 || n > 1<<31-1 {
			t.Errorf("%d has more than 32 bits", n)
		}
	})
}

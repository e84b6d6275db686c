package integration

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// tree turns a message into maps, slices and values, so that two can be compared whatever they are.
// What an answer's version does not have stands in both with its default.
func tree(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return tree(v.Elem())
	case reflect.Struct:
		if tags, ok := v.Interface().(kmsg.Tags); ok {
			return tags.Len()
		}
		m := map[string]any{}
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; name != "Version" {
				m[name] = tree(v.Field(i))
			}
		}
		return m
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			if v.IsNil() {
				return nil
			}
			return hex.EncodeToString(v.Bytes())
		}
		if v.IsNil() {
			return nil
		}
		all := make([]any, v.Len())
		for i := range all {
			all[i] = tree(v.Index(i))
		}
		return all
	case reflect.Array: // a UUID
		id := make([]byte, v.Len())
		reflect.Copy(reflect.ValueOf(id), v)
		return base64.RawURLEncoding.EncodeToString(id)
	case reflect.String:
		return v.String()
	case reflect.Bool:
		return v.Bool()
	case reflect.Float64:
		return v.Float()
	default:
		if v.CanUint() {
			return int64(v.Uint())
		}
		return v.Int()
	}
}

// zeroID is the text of an unset UUID.
var zeroID = base64.RawURLEncoding.EncodeToString(make([]byte, 16))

// aliases are the names that a broker makes up: in one run a topic's id is this, in another that. They are
// learned from the answers, where the two stand at the same place, and from then on must stay the same.
type aliases struct {
	theirs map[string]string // ours to the recorded
	ours   map[string]string // the recorded to ours
}

func newAliases() *aliases {
	return &aliases{theirs: map[string]string{}, ours: map[string]string{}}
}

// made are the fields that hold such names, and what kind of name each is.
var made = map[string]string{
	"TopicID": "topic", "SessionID": "session", "MemberID": "member", "LeaderID": "member", "ProducerID": "producer",
}

// nobody are the values that are no name at all.
func nobody(kind string, v any) bool {
	return v == nil || v == "" || v == zeroID || v == int64(-1) || v == int64(0) && kind != "producer"
}

// same reports whether two made-up names are the same, as far as we know; new ones it learns.
func (a *aliases) same(kind string, recorded, ours any) bool {
	if nobody(kind, recorded) || nobody(kind, ours) {
		return recorded == ours
	}
	return a.learn(kind, recorded, ours)
}

func (a *aliases) learn(kind string, recorded, ours any) bool {
	r, o := fmt.Sprint(kind, " ", recorded), fmt.Sprint(kind, " ", ours)
	known, ok := a.ours[r]
	if _, taken := a.theirs[o]; !ok && !taken {
		a.ours[r], a.theirs[o] = o, r
		return true
	}
	return ok && known == o
}

// rename puts our names into a recorded request, and reports whether there were any.
func (a *aliases) rename(v reflect.Value, field string) (changed bool) {
	switch v.Kind() {
	case reflect.Pointer:
		return !v.IsNil() && a.rename(v.Elem(), field)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && a.rename(v.Field(i), v.Type().Field(i).Name) {
				changed = true
			}
		}
		return changed
	case reflect.Slice:
		for i := range v.Len() {
			if a.rename(v.Index(i), field) {
				changed = true
			}
		}
		return changed
	}
	kind, ok := made[field]
	if !ok || !v.CanSet() {
		return false
	}
	ours, ok := a.ours[fmt.Sprint(kind, " ", tree(v))]
	if !ok {
		return false
	}
	text := strings.TrimPrefix(ours, kind+" ")
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Array:
		id, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || len(id) != v.Len() {
			return false
		}
		reflect.Copy(v, reflect.ValueOf(id))
	case reflect.Int32, reflect.Int64:
		var n int64
		if _, err := fmt.Sscan(text, &n); err != nil {
			return false
		}
		v.SetInt(n)
	default:
		return false
	}
	return true
}

// compare lists where two answers differ, by path. Lists are compared by what their elements are about, since
// neither broker promises an order.
func (a *aliases) compare(path string, recorded, ours any) (differences []string) {
	field := path[strings.LastIndexByte(path, '.')+1:]
	if kind, ok := made[field]; ok {
		if !a.same(kind, recorded, ours) {
			return []string{fmt.Sprintf("%s: %v, recorded %v", path, ours, recorded)}
		}
		return nil
	}
	if isVolatile(path, recorded, ours) {
		return nil
	}
	switch recorded := recorded.(type) {
	case map[string]any:
		ours, ok := ours.(map[string]any)
		if !ok {
			break
		}
		for _, name := range fieldsOf(recorded) {
			differences = append(differences, a.compare(path+"."+name, recorded[name], ours[name])...)
		}
		return differences
	case []any:
		ours, ok := ours.([]any)
		if !ok {
			break
		}
		return a.compareLists(path, recorded, ours)
	}
	if !reflect.DeepEqual(recorded, ours) {
		return []string{fmt.Sprintf("%s: %s, recorded %s", path, brief(ours), brief(recorded))}
	}
	return nil
}

// compareLists pairs the elements by what they are about, and those about the same in their order.
func (a *aliases) compareLists(path string, recorded, ours []any) (differences []string) {
	left := map[string][]any{}
	for _, o := range ours {
		about := a.about(o, false)
		left[about] = append(left[about], o)
	}
	for _, r := range recorded {
		about := a.about(r, true)
		if len(left[about]) == 0 {
			differences = append(differences, fmt.Sprintf("%s: lacks [%s] %s", path, about, brief(r)))
			continue
		}
		differences = append(differences, a.compare(fmt.Sprintf("%s[%s]", path, about), r, left[about][0])...)
		left[about] = left[about][1:]
	}
	for _, about := range fieldsOf(left) {
		for _, o := range left[about] {
			differences = append(differences, fmt.Sprintf("%s: has [%s] beside what was recorded: %s", path, about, brief(o)))
		}
	}
	return differences
}

func fieldsOf[V any](m map[string]V) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func brief(v any) string {
	s := fmt.Sprintf("%v", v)
	if v, ok := v.(string); ok {
		s = fmt.Sprintf("%q", v)
	}
	if len(s) > 160 {
		return s[:160] + "..."
	}
	return s
}

// about names what an element of a list is about, in the recording's words. Elements that are known by a
// made-up name only, and one that was not learned yet, are about nothing.
func (a *aliases) about(element any, recorded bool) string {
	m, ok := element.(map[string]any)
	if !ok {
		return fmt.Sprint(element)
	}
	var parts []string
	for _, field := range []string{"ResourceType", "ResourceName", "Topic", "TopicID", "Group", "Name", "Key", "Partition", "NodeID", "ApiKey", "ProducerID"} {
		v, ok := m[field]
		if !ok || v == nil {
			continue
		}
		text := fmt.Sprint(v)
		if kind := made[field]; kind != "" && !recorded {
			if theirs, ok := a.theirs[kind+" "+text]; ok {
				text = strings.TrimPrefix(theirs, kind+" ")
			}
		}
		if field == "TopicID" && m["Topic"] != nil && m["Topic"] != "" {
			continue // the name says more
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "/")
}

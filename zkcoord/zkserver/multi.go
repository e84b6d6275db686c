package zkserver

import "errors"

// maxMultiRead bounds the bytes that one multiRead may answer: a frame of 1 MB could ask for gigabytes.
const maxMultiRead = 16 << 20

// errTooMuch ends a connection whose multiRead asks for more than maxMultiRead.
var errTooMuch = errors.New("a multiRead asks for too much at once")

// header reads the header of a multi's next step; done is the end.
func (r *request) header() (op int32, done bool, err error) {
	op, done = r.in.int32(), r.in.bool()
	r.in.int32() // an error, meaningless in a request
	return op, done, r.in.err
}

func (r *request) result(op int32, failure code) {
	r.out.int32(op)
	r.out.bool(false)
	r.out.int32(int32(failure))
}

func (r *request) end() {
	r.out.int32(opError)
	r.out.bool(true)
	r.out.int32(-1)
}

// multi does all of its steps or none. The answer is a success even if it fails, and tells it step by step: 0
// for those before the one that failed, its own error, and codeRuntimeInconsistency for those after.
func (r *request) multi(tx *transaction) error {
	tx.undoable = true
	steps, failed := 0, -1
	var failure code
	for {
		op, done, err := r.header()
		if err != nil {
			tx.rollback()
			return err
		}
		if done {
			break
		}
		switch op {
		case opCreate, opCreate2, opCreateContainer, opCreateTTL, opDelete, opSetData, opCheck:
		default:
			tx.rollback()
			return errShort
		}
		if failed >= 0 {
			// Only read past it: a frame that is broken further on is an error as a whole.
			r.skip(op)
		} else {
			at := len(r.out.b)
			r.result(resultOf(op), 0)
			switch err = r.step(tx, op); {
			case errors.As(err, &failure):
				failed = steps
				r.out.b = r.out.b[:at]
			case err != nil:
				tx.rollback()
				return err
			}
		}
		if r.in.err != nil {
			tx.rollback()
			return r.in.err
		}
		steps++
	}
	if failed >= 0 {
		tx.rollback()
		r.out.b = r.out.b[:0]
		for i := range steps {
			each := code(0)
			if i == failed {
				each = failure
			} else if i > failed {
				each = codeRuntimeInconsistency
			}
			r.result(opError, each)
			r.out.int32(int32(each))
		}
	}
	r.end()
	return nil
}

// resultOf is the type that a step's result carries: all that answer path and Stat look like a create2.
func resultOf(op int32) int32 {
	if op == opCreateContainer || op == opCreateTTL {
		return opCreate2
	}
	return op
}

// skip reads a step without doing it.
func (r *request) skip(op int32) {
	d := &r.in
	d.buffer()
	switch op {
	case opCreate, opCreate2, opCreateContainer, opCreateTTL:
		d.buffer()
		for range d.count(12) {
			d.int32()
			d.buffer()
			d.buffer()
		}
		d.int32()
		if op == opCreateTTL {
			d.int64()
		}
	case opSetData:
		d.buffer()
		d.int32()
	case opDelete, opCheck:
		d.int32()
	}
}

// multiRead answers several getData and getChildren at once; each succeeds or fails by itself.
func (r *request) multiRead() error {
	for {
		op, done, err := r.header()
		if err != nil {
			return err
		}
		if done {
			break
		}
		at := len(r.out.b)
		r.result(op, 0)
		switch op {
		case opGetData:
			err = r.getData()
		case opGetChildren:
			err = r.getChildren(false)
		default:
			return errShort
		}
		if r.in.err != nil {
			return r.in.err
		}
		var failure code
		if errors.As(err, &failure) {
			r.out.b = r.out.b[:at]
			r.result(opError, failure)
			r.out.int32(int32(failure))
		}
		if len(r.out.b) > maxMultiRead {
			return errTooMuch
		}
	}
	r.end()
	return nil
}

package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/txn"
)

// endTxn commits or aborts a transaction. The answer tells that this is decided; the markers follow.
func (a *API) endTxn(c *call, req *kmsg.EndTxnRequest) {
	a.Transactions.End(txn.Producer{TransactionalID: req.TransactionalID, ID: req.ProducerID, Epoch: req.ProducerEpoch}, req.Commit, func(failed int16) {
		resp := kmsg.NewPtrEndTxnResponse()
		resp.ErrorCode = fencedFor(c.version, failed)
		c.reply(resp)
	})
}

// Package golden holds tests to files: to stories, and to the data directories that Apache Kafka 3.9.1 wrote.
//
// A story is a lesson that can be run. It is made of scenes: deeds, a line of dashes, and what came of them.
//
//	# A follower that never fetches holds the high watermark back until it leaves the ISR.
//	make-leader epoch=4 isr=1,2,3
//	produce records=5 acks=all
//	----
//	log-end=5 high-watermark=0 waiting=1
//
//	sleep 45s
//	----
//	asked: isr=1,2
//	log-end=5 high-watermark=0 waiting=1
//
// What the deeds are called, and how an outcome is put, is the test's own affair. With OTTLA_UPDATE_STORIES=1 in the environment the
// outcomes are written into the stories instead of being compared; read what git says of them then.
package golden

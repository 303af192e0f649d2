/* A library that adds code to whoever preloads it. */
int pl_test_preloaded(void);
__attribute__((visibility("default"))) int pl_test_preloaded(void) { return 1; }
